import { describe, expect, it } from "vitest";

import { formatted } from "./markdown.ts";

const ben = { id: "@ben:demo.example", name: "Ben Okafor" };

describe("formatted", () => {
  it.each([
    ["**now** and _soon_", "<strong>now</strong> and <em>soon</em>"],
    ["`5 mg`", "<code>5 mg</code>"],
    ["~~no~~", "<del>no</del>"],
    ["- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"],
    ["> as said\n\nyes", "<blockquote>\n<p>as said</p>\n</blockquote>\n<p>yes</p>"],
    ["**a**\nb", "<strong>a</strong><br>b"],
  ])("makes of %j", (text, html) => {
    expect(formatted(text, [])).toBe(html);
  });

  it.each(["plain", "two\nlines", "<b>x</b> & \"y\"", "2*500*3", "5 * 3 * 2", "> 180 call me", "# NOF", "+ 1 tablet", "~10 ml~", "snake_case_x", "    deep", "![a](https://x.example/y.png)"])(
    "takes nothing away from %j",
    (text) => {
      expect(formatted(text, [])).toBeUndefined();
    },
  );

  it("lets no HTML through, however it is wrapped", () => {
    expect(formatted("**<img src=x onerror=alert(1)>**", [])).toBe("<strong>&lt;img src=x onerror=alert(1)&gt;</strong>");
  });

  it("links the people who are named", () => {
    expect(formatted("@Ben Okafor **please**", [ben])).toBe('<a href="https://matrix.to/#/%40ben%3Ademo.example">@Ben Okafor</a> <strong>please</strong>');
    expect(formatted("nobody", [ben])).toBeUndefined();
  });
});
