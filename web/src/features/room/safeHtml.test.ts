import { describe, expect, it } from "vitest";

import { isFewEmoji, linkify, personOfLink, safeAddress } from "./safeHtml.ts";

describe("addresses", () => {
  it("lead only where a browser may go", () => {
    expect(safeAddress("https://example.org/ä?q=1")).toBe("https://example.org/%C3%A4?q=1");
    expect(safeAddress("tel:+49301234")).toBe("tel:+49301234");
    for (const bad of ["javascript:alert(1)", "data:text/html,x", "ftp://example.org", "example.org", ""]) expect(safeAddress(bad)).toBeUndefined();
  });

  it("name a person only in the specification's way", () => {
    expect(personOfLink("https://matrix.to/#/@anna:example.org")).toBe("@anna:example.org");
    expect(personOfLink("https://matrix.to/#/%40anna%3Aexample.org?via=x")).toBe("@anna:example.org");
    for (const other of ["https://matrix.to/#/!room:example.org", "https://matrix.to.evil.example/#/@anna:example.org", "https://matrix.to/#/%40%E0%A4%A"]) expect(personOfLink(other)).toBeUndefined();
  });

  it("are found in plain text, without the sentence around them", () => {
    const hrefs = (text: string): (string | undefined)[] => linkify(text).flatMap((piece) => (piece.href === undefined ? [] : [piece.href]));
    expect(hrefs("See https://example.org/a_(b), or (https://example.org/c). Ask ward3@example.org!")).toEqual(["https://example.org/a_(b)", "https://example.org/c", "mailto:ward3@example.org"]);
    expect(hrefs("javascript:alert(1) and 2*500*3 and a@b")).toEqual([]);
    expect(linkify("a https://example.org b").map((piece) => piece.text).join("")).toBe("a https://example.org b");
  });
});

it("draws only a few signs large", () => {
  expect(["👍", "👩🏽‍⚕️ ❤️", "🇩🇪"].map(isFewEmoji)).toEqual([true, true, true]);
  expect(["👍👍👍👍👍", "ok 👍", "", "  "].map(isFewEmoji)).toEqual([false, false, false, false]);
});
