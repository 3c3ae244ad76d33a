import type { Browser, Page } from "playwright-core";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, expect, it } from "vitest";

import { axeFaults, openBrowser, pictures } from "./person.ts";

// Every component of ui/ on one page, looked at by axe in each theme, with large text, and right to left.

let site: ViteDevServer;
let browser: Browser;
let page: Page;
let address = "";

beforeAll(async () => {
  [site, browser] = await Promise.all([createServer({ logLevel: "error", server: { port: 0, host: "127.0.0.1" } }).then((made) => made.listen()), openBrowser()]);
  address = site.resolvedUrls?.local[0] ?? "";
  page = await browser.newPage({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" });
});

afterAll(async () => {
  await browser.close();
  await site.close();
});

async function open(query: string): Promise<void> {
  await page.goto(`${address}stories.html?${query}`);
  await page.getByRole("heading", { name: "Toast" }).waitFor();
}

it.each(["theme=light", "theme=dark", "contrast=more", "theme=dark&contrast=more", "dir=rtl", "text=200&dir=rtl&theme=dark"])("axe finds nothing with %s", async (query) => {
  await open(query);
  await page.screenshot({ path: `${pictures}stories-${query.replaceAll(/\W/g, "-")}.png`, fullPage: true });
  expect(await axeFaults(page)).toEqual([]);
});

it("fits a phone with letters of twice the size", async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  await open("text=200");
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
});

it("keeps and gives back the focus, and moves in a menu by keys", async () => {
  await open("");
  await page.getByRole("button", { name: "Open the dialog" }).click();
  await page.getByRole("dialog").waitFor();
  expect(await axeFaults(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Open the dialog");
  await page.getByRole("button", { name: "More" }).press("Enter");
  await page.locator("[role=menuitem]:focus").waitFor(); // a menu takes the focus when it has opened
  await page.keyboard.press("ArrowUp");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Delete");
  await page.keyboard.press("c");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Copy");
  expect(await axeFaults(page)).toEqual([]);
  await page.keyboard.press("Escape");
  expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("More");
});
