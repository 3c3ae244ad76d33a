import { readdirSync } from "node:fs";

import { expect, it } from "vitest";

import { stories } from "./stories.tsx";

it("has a story for every component of ui/", () => {
  const components = readdirSync(new URL("../ui/", import.meta.url)).flatMap((name) => /^([A-Z]\w+)\.tsx$/.exec(name)?.[1] ?? []);
  expect(Object.keys(stories).toSorted()).toEqual(components.toSorted());
});
