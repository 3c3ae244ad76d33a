import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { Pair } from "./pair.ts";
import type { Person } from "./person.ts";
import type { DemoSignIn, Server } from "./server.ts";

// What stays and what goes: threads, pins, polls, drafts, a long history, messages for later and messages that vanish.

let pair: Pair;
let server: Server;
let physician: Person;
let nurse: Person;
let physicianIs: DemoSignIn;

beforeAll(async () => {
  pair = await Pair.meet("Good evening, could you look after bed 12 tonight?");
  ({ server, physician, nurse, physicianIs } = pair);
});

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await pair.failed();
});

afterAll(() => pair.part());

it("answers in a thread beside the conversation", async () => {
  const { page } = physician;
  await physician.choose("Good evening, could you look after bed 12 tonight?", "Reply in thread");
  const panel = page.getByRole("complementary", { name: "Thread" });
  await panel.getByRole("textbox", { name: "Reply in the thread" }).fill("Only the pressure");
  await panel.getByRole("button", { name: "Send", exact: true }).click();
  await panel.getByText("Only the pressure").waitFor();
  await nurse.page.getByRole("link", { name: /1 reply/ }).click();
  await nurse.page.getByRole("complementary", { name: "Thread" }).getByText("Only the pressure").waitFor();
  await nurse.page.getByRole("textbox", { name: "Reply in the thread" }).fill("Understood");
  await nurse.page.getByRole("complementary", { name: "Thread" }).getByRole("button", { name: "Send", exact: true }).click();
  await panel.getByText("Understood", { exact: true }).waitFor();
  await panel.getByText("Read", { exact: true }).first().waitFor();
  await nurse.look("thread-phone");
  await physician.look("thread-desktop");
  await nurse.page.getByRole("button", { name: "Close", exact: true }).click();
  await panel.getByRole("button", { name: "Close", exact: true }).click();
  await page.getByRole("button", { name: "Threads" }).click();
  await page.getByRole("complementary", { name: "Threads" }).getByRole("link", { name: /2 replies/ }).waitFor();
  await physician.look("threads-desktop");
  await page.getByRole("button", { name: "Close", exact: true }).click();
  await expect.poll(() => physician.texts("Understood"), { timeout: 20_000 }).toEqual([]);
});

it("pins a message for everybody", async () => {
  await physician.write("Call me below 95");
  await nurse.sees("Call me below 95");
  await physician.choose("Call me below 95", "Pin");
  await nurse.page.getByTitle("Go to the pinned message").getByText("Call me below 95").waitFor();
  await nurse.look("pinned-phone");
});

it("asks a question, votes and ends it", async () => {
  const { page } = physician;
  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: "Poll" }).click();
  const form = page.getByRole("dialog", { name: "Poll" });
  await form.getByLabel("Question").fill("When is the round?");
  await form.getByLabel("Answer 1").fill("07:00");
  await form.getByLabel("Answer 2").fill("07:30");
  await physician.look("poll-desktop");
  await form.getByRole("button", { name: "Start poll" }).click();
  await nurse.page.getByRole("radio", { name: "07:30" }).click();
  const poll = page.getByRole("group", { name: "When is the round?" });
  await poll.getByText("1 person has voted").waitFor();
  await poll.getByText("1 vote", { exact: true }).waitFor();
  await nurse.look("poll-phone");
  await page.getByRole("article").filter({ hasText: "When is the round?" }).getByRole("button", { name: "Message options" }).dispatchEvent("click");
  await page.getByRole("menuitem", { name: "End poll" }).click();
  await nurse.page.getByText("Ended. 1 person voted.").waitFor();
});

it("keeps a saved reply, which a slash finds", async () => {
  const { page } = physician;
  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: "Saved replies" }).click();
  await page.getByRole("button", { name: "New saved reply" }).click();
  await page.getByLabel("Name", { exact: true }).fill("thanks");
  await page.getByLabel("Text", { exact: true }).fill("Thank you, I will come at once.");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "thanks", exact: true }).waitFor();
  await physician.look("replies-desktop");
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  const field = page.getByRole("textbox", { name: "Message" });
  await field.pressSequentially("/tha");
  await page.getByRole("option", { name: /thanks/ }).waitFor();
  await field.press("Enter");
  expect(await field.inputValue()).toBe("Thank you, I will come at once.");
  await field.fill("");
});

it("sends a message later, and sends one that waits at once", async () => {
  const { page } = physician;
  const field = page.getByRole("textbox", { name: "Message" });
  await field.fill("At the end of the shift");
  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: "Send later" }).click();
  const form = page.getByRole("dialog", { name: "Send later" });
  await physician.look("schedule-desktop");
  await form.getByRole("button", { name: "Send then" }).click();
  await form.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: /1 message to be sent later/ }).click();
  await page.getByText("At the end of the shift").first().waitFor();
  await physician.look("scheduled-desktop");
  await page.getByRole("button", { name: "Send now" }).click();
  await nurse.sees("At the end of the shift");
  await page.keyboard.press("Escape");
});

it("marks what came while one was away, and goes through a long history without a jump", async () => {
  const { page } = nurse;
  await page.getByRole("button", { name: "Back to the inbox" }).click();
  await physician.page.getByRole("link", { name: /^Ward 3 East/ }).click();
  await physician.page.getByRole("heading", { name: "Ward 3 East" }).waitFor();
  const room = new URL(physician.page.url()).pathname.split("/")[2] ?? "";
  await server.say(physicianIs.user, decodeURIComponent(room), 200);
  await physician.sees("Line 200");
  await page.getByRole("link", { name: /^Ward 3 East.*Line 200/ }).click();
  await nurse.sees("Line 200");
  await page.getByRole("button", { name: /new messages/ }).waitFor();
  await nurse.look("unread-phone");
  await page.getByRole("button", { name: /new messages/ }).click();
  await page.getByRole("heading", { name: /new messages/ }).waitFor();
  await nurse.sees("Line 1");
  await page.getByRole("button", { name: /Go to the newest/i }).click();
  await nurse.sees("Line 200");
  await expect.poll(() => nurse.message("Line 200").isVisible()).toBe(true);

  const shift = await scrollToBeginning(physician);
  expect(shift).toBeLessThan(0.05);
  expect(await physician.page.getByRole("article").count()).toBeLessThan(320);
  await physician.look("history-desktop");
});

/** Scrolls up a screen at a time until the beginning, and answers with how far things moved by themselves (CLS). */
async function scrollToBeginning({ page }: Person): Promise<number> {
  await page.evaluate(() => {
    const shifts = { sum: 0 };
    Object.assign(globalThis, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) shifts.sum += entry.value;
    }).observe({ type: "layout-shift", buffered: false });
  });
  const log = page.getByRole("log");
  const start = page.getByText("This is the beginning of the conversation.");
  for (let i = 0; i < 200 && (await start.count()) === 0; i++) {
    await log.evaluate((box) => {
      box.scrollTop -= box.clientHeight * 0.8;
    });
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  }
  await start.waitFor();
  return page.evaluate(() => (globalThis as unknown as { shifts: { sum: number } }).shifts.sum);
}

it("never threw, broke the content security policy or showed axe anything wrong", () => {
  expect(pair.faults).toEqual([]);
});
