// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";

import { plainText } from "./plain.ts";

describe("a message in one line", () => {
  it("is its text when it is not formatted", () => {
    expect(plainText("2*500*3 <now>", undefined)).toBe("2*500*3 <now>");
  });

  it("loses the marks and keeps words apart", () => {
    const html = "<p>Metoprolol 47.5 mg, <strong>not</strong> if HR &lt; 55.</p><ul><li>orange &amp; round</li><li>max. 2&#215;500</li></ul>before<br>after";
    expect(plainText("**", html)).toBe("Metoprolol 47.5 mg, not if HR < 55. orange & round max. 2×500 before after");
  });

  it("does not show what is hidden, nor what it answers", () => {
    expect(plainText("", "<mx-reply><blockquote>before</blockquote></mx-reply>It is <span data-mx-spoiler>a gift</span>")).toBe("It is …");
  });

  it.each([
    ["inside other marks", "It is <em><span data-mx-spoiler>a <strong>gift</strong></span></em>", "It is …"],
    ["around other marks", "It is <span data-mx-spoiler>a <span>big</span> gift</span>, yes", "It is …, yes"],
    ["inside one another", "It is <span data-mx-spoiler><span data-mx-spoiler>a</span> gift</span>, yes", "It is …, yes"],
    ["with a reason that looks like the end of a mark", 'It is <span data-mx-spoiler="a > b">a gift</span>', "It is …"],
    ["never closed", "It is <span data-mx-spoiler>a gift", "It is …"],
    ["on another element", "It is <b data-mx-spoiler>a gift</b>", "It is …"],
    ["folded away", "<details><summary>Your birthday</summary>a gift</details>", "Your birthday …"],
    ["no part of what is said", "Hello<style>a {}</style><script>gift()</script>", "Hello"],
  ])("keeps hidden what is %s", (_where, html, line) => {
    expect(plainText("", html)).toBe(line);
  });

  it("reads no more than a line can show, whatever somebody sends", () => {
    expect(plainText("", "<mx-reply>".repeat(20_000))).toBe("");
    expect(plainText("", "<b>".repeat(500) + "deep")).toBe("");
    expect(plainText("", `<p>${"word ".repeat(100_000)}</p>`)).toHaveLength(1_000);
    expect(plainText("", `<span data-mx-spoiler>${"a gift ".repeat(10_000)}</span>`)).toBe("…");
  });
});
