import { afterEach, expect, it, vi } from "vitest";

import { Store } from "../store/Store.ts";
import type { Demo } from "../store/model.ts";
import { findDemo, rememberedDemo } from "./demo.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

const kept = new Map<string, string>();
const memory = { getItem: (name: string) => kept.get(name) ?? null, setItem: (name: string, value: string) => void kept.set(name, value) };

async function found(answer: () => Promise<Response>): Promise<Demo | undefined> {
  vi.stubGlobal("fetch", answer);
  const demo = new Store(rememberedDemo(memory));
  await findDemo(demo, memory);
  return demo.snapshot;
}

it("remembers a demo until the server says that it is none", async () => {
  const person = { user: "@a:x", name: "A", role: "Nurse", department: "Ward", password: "p" };
  expect(rememberedDemo(memory)).toBeUndefined();
  expect(await found(() => Promise.resolve(Response.json({ hospital: "Lindenhof", people: [person, {}] })))).toEqual({ hospital: "Lindenhof", people: [person] });
  expect(await found(() => Promise.reject(new TypeError("no network")))).toEqual({ hospital: "Lindenhof", people: [] });
  expect(await found(() => Promise.resolve(new Response("busy", { status: 503 })))).toEqual({ hospital: "Lindenhof", people: [] });
  expect(await found(() => Promise.resolve(new Response("", { status: 404 })))).toBeUndefined();
  expect(rememberedDemo(memory)).toBeUndefined();
});
