import { describe, expect, it } from "vitest";

import { initialsOf, tintOf } from "./Avatar.tsx";

describe("Avatar", () => {
  it.each([
    ["Dr. Anna Weiss", "AW"],
    ["Prof. Dr. Jan van der Berg", "JB"],
    ["Ben", "B"],
    ["Dr.", "D"],
    ["Ward 3 East", "WE"],
    ["أحمد علي", "أع"],
    ["(on call)", "OC"],
    ["", ""],
  ])("draws %s as %s", (name, initials) => {
    expect(initialsOf(name)).toBe(initials);
  });

  it("spreads people of one server over all tints", () => {
    const tints = new Set(Array.from({ length: 100 }, (_, i) => tintOf(`@person${String(i)}:hospital.example`)));
    expect([...tints].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});
