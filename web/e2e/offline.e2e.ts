import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { Between } from "./between.ts";
import { Pair } from "./pair.ts";
import { desktop, phone, type Person } from "./person.ts";
import { drawPng } from "./png.ts";
import type { DemoSignIn } from "./server.ts";

// A physician whose network comes and goes, whose page is reloaded and renewed, and who leaves the desk for a while.

let pair: Pair;
let between: Between;
let physician: Person;
let nurse: Person;
let physicianIs: DemoSignIn;
let nurseIs: DemoSignIn;
/** As long as anything may take on a slow machine. */
const soon = { timeout: 40_000 };
/** What was shown outside of the physician's page. */
const announced: string[] = [];

beforeAll(async () => {
  pair = await Pair.meet("Blood gas of bed four is on its way", {
    before: async (behind) => {
      between = await Between.before(behind.address);
      return between.address;
    },
  });
  ({ physician, nurse, physicianIs, nurseIs } = pair);
  const { page } = physician;
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
});

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await pair.failed();
});

afterAll(async () => {
  between.stop();
  await pair.part();
});

const field = (): ReturnType<Person["page"]["getByRole"]> => physician.page.getByRole("textbox", { name: "Message" });

const draft = (): Promise<string> => field().inputValue();

it("keeps a draft when the page is loaded again, and shows it in every tab", async () => {
  const { page } = physician;
  const other = await page.context().newPage();
  await other.goto(page.url());
  const there = other.getByRole("textbox", { name: "Message" });
  await there.waitFor();
  await field().pressSequentially("Ring me when");
  await expect.poll(() => there.inputValue(), soon).toBe("Ring me when"); // so it has been written down
  await page.reload();
  await expect.poll(draft, soon).toBe("Ring me when");
  await there.press("End");
  await there.pressSequentially(" the lab calls");
  await expect.poll(draft, soon).toBe("Ring me when the lab calls");
  await field().press("End");
  await field().pressSequentially(" back");
  await page.reload(); // with the last key
  await expect.poll(draft, soon).toBe("Ring me when the lab calls back");
  await other.close();
});

it("changes over to a new version without losing a draft", async () => {
  const { page } = physician;
  between.renew();
  await page.evaluate(async () => {
    await (await navigator.serviceWorker.getRegistration())?.update();
  });
  await page.getByText("A new version is ready").waitFor();
  await physician.look("update-desktop");
  await field().press("End");
  await field().pressSequentially("!");
  await page.getByRole("button", { name: "Use it now" }).click();
  await page.locator("meta[name=version][content=newer]").waitFor({ state: "attached" });
  await expect.poll(draft, soon).toBe("Ring me when the lab calls back!");
  await page.getByText("A new version is ready").waitFor({ state: "hidden" });
});

it("opens without a network, and sends texts and pictures once when it is back", async () => {
  const { page } = physician;
  await page.context().setOffline(true);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await physician.attach("ecg.png", drawPng(320, 200));
  await page.getByText("Offline, 2 messages waiting").waitFor();
  await page.reload();
  await physician.sees("Blood gas of bed four is on its way");
  await physician.sees("Ring me when the lab calls back!");
  await page.getByRole("article").getByRole("img").first().waitFor();
  await physician.attach("echo.png", drawPng(300, 180));
  await page.getByText("Offline, 3 messages waiting").waitFor();
  await physician.look("offline-pictures-desktop");
  await page.reload();
  await page.getByText("Offline, 3 messages waiting").waitFor();
  await page.context().setOffline(false);
  await nurse.sees("Ring me when the lab calls back!");
  const arrived = nurse.page.getByRole("article").getByRole("button", { name: /ecg|echo/ });
  await expect.poll(() => arrived.count(), soon).toBe(2);
  await page.getByText(/^Offline|^Server not reachable/).waitFor({ state: "hidden" });
  await nurse.look("offline-arrived-phone");
});

/** Marks what is written next. */
const mark = async (priority: "Urgent" | "Critical"): Promise<void> => {
  await physician.page.getByRole("button", { name: "How urgent" }).click();
  await physician.page.getByRole("menuitem", { name: priority }).click();
};

/** Chooses a language, as another tab might. */
const speak = (language: string): Promise<void> =>
  physician.page.evaluate((chosen) => {
    localStorage.setItem("myelin.language", chosen);
    dispatchEvent(new Event("storage"));
  }, language);

it("never lets a critical message wait without a word, and sends it later only when asked", async () => {
  const { page } = physician;
  await mark("Critical");
  await field().fill("Bed four arrests, come now");
  await physician.look("critical-writing-desktop");
  await page.context().setOffline(true);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const notSent = page.getByRole("alert").filter({ hasText: "It did not get through" });
  await notSent.waitFor();
  await physician.look("not-sent-desktop");
  await page.setViewportSize(phone);
  await physician.look("not-sent-phone");
  await speak("ar");
  await page.getByText("لم تُرسل").first().waitFor();
  await physician.look("not-sent-arabic-phone");
  await speak("en");
  await mark("Critical");
  await physician.attach("strip.png", drawPng(300, 80));
  const second = page.getByRole("alert").filter({ hasText: "strip.png" });
  await second.waitFor();
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog");
  await palette.getByRole("group", { name: "NOT SENT" }).first().waitFor();
  await physician.look("not-sent-dialog-phone");
  await page.setViewportSize(desktop);
  await physician.look("not-sent-dialog-desktop");
  await palette.getByRole("group", { name: "NOT SENT" }).filter({ hasText: "strip.png" }).getByRole("button", { name: "Do not send" }).press("Enter");
  await second.waitFor({ state: "detached" });
  await page.waitForFunction(() => document.activeElement?.closest("[role=group]")?.textContent.includes("Bed four arrests"));
  await page.keyboard.press("Escape");
  await palette.waitFor({ state: "detached" });
  await page.setViewportSize(phone);
  await page.getByRole("button", { name: "Back to the inbox" }).click();
  await notSent.waitFor();
  await page.setViewportSize(desktop);
  await page.reload();
  await notSent.waitFor();
  await page.context().setOffline(false);
  await page.getByRole("link", { name: new RegExp(`${nurseIs.name} \\d`) }).click();
  await mark("Urgent");
  await physician.write("The crash trolley is at bed six");
  await nurse.sees("The crash trolley is at bed six");
  await nurse.message("The crash trolley is at bed six").getByText("Urgent").waitFor();
  expect(await nurse.texts("Bed four arrests")).toEqual([]);
  await notSent.getByRole("button", { name: "Send again" }).click();
  await nurse.message("Bed four arrests, come now").getByText("Critical").waitFor();
  await notSent.waitFor({ state: "hidden" });
  expect(await nurse.texts("Bed four arrests")).toHaveLength(1);
  await mark("Critical");
  await physician.attach("strip.png", drawPng(300, 80));
  await nurse.page.getByRole("article").filter({ has: nurse.page.getByRole("button", { name: /strip/ }) }).getByText("Critical").waitFor();
  await nurse.look("critical-phone");
});

it("says so too when the server does not answer, until it does", async () => {
  const { page } = physician;
  await mark("Critical");
  between.hold();
  await physician.write("Theatre two is free");
  const notSent = page.getByRole("alert").filter({ hasText: "It did not get through" });
  await notSent.waitFor();
  await page.reload();
  await notSent.waitFor();
  await notSent.getByRole("button", { name: "Do not send" }).click();
  await notSent.waitFor({ state: "hidden" });
  between.release();
});

it("sends from another tab what the tab that talks to the server has hung over, and a critical message only when asked", async () => {
  const { page } = physician;
  const other = await page.context().newPage();
  other.setDefaultTimeout(soon.timeout);
  await other.goto(page.url());
  const log = other.getByRole("log");
  await log.getByText("The crash trolley is at bed six").waitFor();
  const write = async (text: string): Promise<void> => {
    await other.getByRole("textbox", { name: "Message" }).fill(text);
    await other.getByRole("button", { name: "Send", exact: true }).click();
    await log.getByText(text, { exact: true }).waitFor();
  };
  between.hold("/hangs");
  const hung = page.evaluate(() => {
    const request = new XMLHttpRequest();
    request.open("GET", "/hangs", false); // nothing else happens in this tab until it is answered
    request.send();
  });
  await expect.poll(() => between.holding, soon).toBe(1);
  await write("The bed is made");
  await other.getByRole("button", { name: "How urgent" }).click();
  await other.getByRole("menuitem", { name: "Critical" }).click();
  await write("Bed two bleeds");
  const notSent = other.getByRole("alert").filter({ hasText: "It did not get through" });
  await notSent.waitFor();
  await nurse.sees("The bed is made");
  expect(await nurse.texts("Bed two bleeds")).toEqual([]);
  await notSent.getByRole("button", { name: "Send again" }).click();
  await nurse.message("Bed two bleeds").getByText("Critical").waitFor();
  between.release();
  await hung;
  await physician.sees("Bed two bleeds");
  await other.close();
  await physician.write("I am back");
  await nurse.sees("I am back");
  for (const text of ["The bed is made", "Bed two bleeds"]) expect(await nurse.texts(text)).toHaveLength(1);
});

it("locks after fifteen minutes without anybody, shows nothing then, and opens with the password", async () => {
  const { page } = physician;
  await page.context().exposeBinding("announce", (_, text: string) => announced.push(text));
  await page.addInitScript(() => {
    document.hasFocus = () => false;
    localStorage.setItem("myelin.outside", "on");
    const shown = function (...what: unknown[]): void {
      (globalThis as unknown as { announce(text: string): void }).announce(JSON.stringify(what));
    };
    Object.assign(globalThis, { Notification: Object.assign(shown, { permission: "granted" }) });
  });
  await page.clock.install();
  await page.reload();
  await physician.go("Inbox");
  await nurse.write("Haemoglobin of bed four is 6.1");
  await expect.poll(() => announced.length, soon).toBeGreaterThan(0);
  await page.getByRole("link", { name: new RegExp(`${nurseIs.name} \\d`) }).click();
  await physician.sees("Haemoglobin of bed four is 6.1");
  await field().fill("Two units");
  await page.clock.fastForward("15:01");
  await page.getByRole("button", { name: "Unlock", exact: true }).waitFor();
  await nurse.write("She has had one unit");
  await nurse.page.getByText("Sent", { exact: true }).waitFor();
  const shown = (await page.locator("body").textContent()) ?? "";
  for (const word of ["bed", "unit", "units", "Haemoglobin", ...nurseIs.name.split(" "), ...physicianIs.name.split(" ")]) expect(shown).not.toContain(word);
  expect(await page.title()).toBe("Myelin");
  await physician.look("locked-idle-desktop");
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Unlock", exact: true }).click();
  await page.getByText("That is not the password").waitFor();
  await page.setViewportSize(phone);
  await physician.look("locked-wrong-phone");
  await page.getByLabel("Password").fill(physicianIs.password);
  await page.getByRole("button", { name: "Unlock", exact: true }).click();
  await physician.sees("She has had one unit");
  await expect.poll(draft, soon).toBe("Two units");
  expect(new Set(announced.map((text) => (JSON.parse(text) as [string])[0]))).toEqual(new Set(["New message"]));
});

it("never threw, broke the content security policy or showed axe anything wrong", () => {
  expect(pair.faults).toEqual([]);
});
