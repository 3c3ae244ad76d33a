// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";

import { joined, textOf } from "./indexer.ts";
import type { Stretch } from "./wordindex.ts";

function stretch(since: number, until: number, from: string | undefined = `before ${String(since)}`): Stretch {
  return { since, until, from };
}

describe("stretches of history", () => {
  it.each<[string, Stretch, Stretch[], Stretch[]]>([
    ["the first", stretch(5, 9), [], [stretch(5, 9)]],
    ["with a gap before it", stretch(20, 30), [stretch(5, 9)], [stretch(20, 30), stretch(5, 9)]],
    ["that touches what is there", stretch(9, 30), [stretch(5, 9)], [stretch(5, 30)]],
    ["that is part of what is there", stretch(7, 9), [stretch(5, 9)], [stretch(5, 9)]],
    ["that reaches further back", stretch(1, 9), [stretch(5, 9), stretch(0, 0)], [stretch(1, 9), stretch(0, 0)]],
    ["that closes two gaps", stretch(3, 40), [stretch(20, 30), stretch(5, 9), stretch(1, 2)], [stretch(3, 40), stretch(1, 2)]],
    ["that begins the room", { since: 1, until: 9, from: undefined }, [stretch(5, 9)], [{ since: 1, until: 9, from: undefined }]],
  ])("%s", (_, newest, older, all) => {
    expect(joined(newest, older)).toEqual(all);
  });
});

describe("what a message is found by", () => {
  it("leaves out formatting and what is hidden", () => {
    expect(textOf({ kind: "text", text: "**Bed** 12 ||secret||", html: "<b>Bed</b> 12 <span data-mx-spoiler>secret</span>" })).toBe("Bed 12 …");
    expect(textOf({ kind: "removed" })).toBe("");
  });
});
