import { describe, expect, it } from "vitest";

import { plainText } from "./plain.ts";

describe("a message in one line", () => {
  it("is its text when it is not formatted", () => {
    expect(plainText("2*500*3 <now>", undefined)).toBe("2*500*3 <now>");
  });

  it("loses the marks and keeps words apart", () => {
    const html = "<p>Metoprolol 47.5 mg, <strong>not</strong> if HR &lt; 55.</p><ul><li>orange &amp; round</li><li>max. 2&#215;500</li></ul>";
    expect(plainText("**", html)).toBe("Metoprolol 47.5 mg, not if HR < 55. orange & round max. 2×500");
  });

  it("does not show what is hidden, nor what it answers", () => {
    expect(plainText("", "<mx-reply><blockquote>before</blockquote></mx-reply>It is <span data-mx-spoiler>a gift</span>")).toBe("It is …");
  });
});
