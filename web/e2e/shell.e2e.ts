import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { desktop, openBrowser, Person, phone, pictures } from "./person.ts";
import { Server } from "./server.ts";

// The frame: by keys alone, in Arabic, in each theme, with letters of twice the size; the palette and the settings.

let server: Server;
let browser: Browser;
let desk: Person;
let hand: Person;

beforeAll(async () => {
  [server, browser] = await Promise.all([Server.start(), openBrowser()]);
  const [first, second] = await server.people();
  if (first === undefined || second === undefined) throw new Error("nobody is there");
  desk = await Person.at(browser, server.address, desktop);
  hand = await Person.at(browser, server.address, phone, true);
  await Promise.all([desk.signIn(first.name), hand.signIn(second.name)]);
});

afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  process.stderr.write([...desk.faults, ...hand.faults].join("\n"));
  await desk.page.screenshot({ path: `${pictures}failed-desk.png` });
  await hand.page.screenshot({ path: `${pictures}failed-hand.png` });
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

it("goes everywhere by keys alone", async () => {
  const { page } = desk;
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").waitFor();
  await desk.look("palette-desktop");
  await page.keyboard.type("dark");
  await page.getByRole("option", { name: "Use the dark look" }).waitFor();
  await page.keyboard.press("Enter");
  await page.locator("html[data-theme=dark]").waitFor();
  await page.keyboard.press("Control+,");
  await page.getByRole("heading", { name: "Appearance and language" }).waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await desk.look("shortcuts-dark-desktop");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("Control+Shift+k");
  await page.getByLabel("Find people by name").waitFor();
  await page.keyboard.press("Control+Shift+e");
  await page.getByRole("heading", { name: "Inbox" }).waitFor();
});

it("signs another device out with the password, after telling what is wrong with it", async () => {
  const [first] = await server.people();
  const other = await fetch(`${server.address}/_matrix/client/v3/login`, {
    method: "POST",
    body: JSON.stringify({ type: "m.login.password", identifier: { type: "m.id.user", user: first?.user }, password: first?.password, initial_device_display_name: "Lost phone" }),
  });
  expect(other.status).toBe(200);
  const { page } = desk;
  await desk.go("Me");
  await page.getByRole("link", { name: "Devices" }).click();
  await page.getByRole("button", { name: "Sign out Lost phone" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Password").fill("not the password");
  await dialog.getByRole("button", { name: "Sign out" }).click();
  await dialog.getByText("That is not your password").waitFor();
  await dialog.getByLabel("Password").fill(first?.password ?? "");
  await dialog.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign out Lost phone" }).waitFor({ state: "detached" });
});

it("keeps what is set about notifications, on the server and here", async () => {
  const { page } = desk;
  await page.getByRole("link", { name: "Notifications" }).click();
  await page.getByRole("radio", { name: "Only what is meant for me" }).check();
  await page.getByRole("switch", { name: "Sound" }).uncheck();
  await page.getByRole("link", { name: "Devices" }).click();
  await page.getByRole("link", { name: "Notifications" }).click();
  await expect.poll(() => page.getByRole("radio", { name: "Only what is meant for me" }).isChecked()).toBe(true);
  expect(await page.getByRole("switch", { name: "Sound" }).isChecked()).toBe(false);
  await desk.look("notifications-dark-desktop");
});

it("is as good in each theme and with large text", async () => {
  const { page } = hand;
  await hand.go("Me");
  await page.getByRole("link", { name: "Appearance and language" }).waitFor();
  await hand.look("me-phone-en");
  await page.getByRole("link", { name: "Appearance and language" }).click();
  await page.getByRole("switch", { name: "High contrast" }).check();
  await hand.look("appearance-contrast-phone");
  await page.getByRole("radio", { name: "Dark" }).check();
  await hand.look("appearance-dark-contrast-phone");
  await page.getByRole("switch", { name: "High contrast" }).uncheck();
  await page.getByRole("radio", { name: "200 %" }).check();
  await hand.look("appearance-large-phone");
  for (const path of ["/", "/people", "/me", "/me/devices", "/me/profile", "/me/about"]) {
    await page.goto(path);
    await page.getByRole("navigation", { name: "Main" }).waitFor();
    expect([path, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([path, phone.width]);
  }
  await page.goto("/me/appearance");
  await page.getByRole("radio", { name: "100 %" }).check();
  await page.getByRole("radio", { name: "Light" }).check();
});

it("speaks Arabic at once, from right to left, with Latin digits", async () => {
  for (const person of [desk, hand]) {
    const { page } = person;
    await page.goto("/me/appearance");
    await page.getByRole("combobox", { name: "Language" }).selectOption({ label: "العربية" });
    await page.locator("html[dir=rtl][lang^=ar]").waitFor();
    await person.look(`appearance-ar-${person === desk ? "desktop" : "phone"}`);
  }
  const main = hand.page.getByRole("navigation", { name: "القائمة الرئيسية" });
  const [inbox, me] = await Promise.all(["الوارد", "حسابي"].map((name) => main.getByRole("link", { name: new RegExp(`^${name}`) }).boundingBox()));
  expect(inbox?.x).toBeGreaterThan(me?.x ?? Infinity);
  await hand.page.goto("/me/devices");
  await hand.page.getByText(/هذا الجهاز/).filter({ visible: true }).first().waitFor();
  await hand.look("devices-ar-phone");
  await hand.page.goto("/");
  await hand.page.getByRole("heading", { name: "الوارد" }).waitFor();
  await hand.look("inbox-ar-phone");
  expect(await hand.page.locator("body").innerText()).not.toMatch(/[٠-٩]/);
});

it("never threw, broke the content security policy or showed axe anything wrong", () => {
  expect([...desk.faults, ...hand.faults]).toEqual([]);
});
