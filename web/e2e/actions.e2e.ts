import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { Pair } from "./pair.ts";
import type { Person } from "./person.ts";

// What is done with a message besides reading and answering it, with the mouse at a desk and with a finger on a phone.

let pair: Pair;
let physician: Person;
let nurse: Person;

beforeAll(async () => {
  pair = await Pair.meet("Good evening, could you look after bed 12 tonight?");
  ({ physician, nurse } = pair);
});

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await pair.failed();
});

afterAll(() => pair.part());

it("opens the actions of a message under a finger that stays, and keeps them when it leaves", async () => {
  const { page } = nurse;
  const menu = page.getByRole("menu", { name: "Message options" });
  await nurse.hold(nurse.message("Good evening, could you look after bed 12 tonight?").getByText("Good evening"), () => menu.waitFor());
  await menu.getByRole("menuitem", { name: "Message details" }).tap();
  await page.getByRole("dialog", { name: "Message details" }).waitFor();
  await nurse.look("details-phone");
  await page.getByRole("dialog", { name: "Message details" }).getByRole("button", { name: "Close" }).tap();
});

it("finds an emoji by a word, and picks it with the keyboard", async () => {
  const { page } = physician;
  await physician.choose("Good evening, could you look after bed 12 tonight?", "React");
  const picker = page.getByRole("dialog", { name: "Emoji" });
  await picker.getByRole("button", { name: "grinning face", exact: true }).waitFor();
  await physician.look("emoji-desktop");
  await picker.getByRole("searchbox", { name: "Search emoji" }).fill("hospital");
  await picker.getByRole("button", { name: "hospital", exact: true }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await nurse.message("Good evening, could you look after bed 12 tonight?").getByRole("button", { name: /^🏥/ }).waitFor();
});

it("says where it is, after asking", async () => {
  const { page } = physician;
  await physician.standAt(52.52, 13.405);
  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: "Location" }).click();
  const asked = page.getByRole("dialog", { name: "Location" });
  await physician.look("place-desktop");
  await asked.getByRole("button", { name: "Send", exact: true }).click();
  await nurse.page.getByText("52.52000, 13.40500").waitFor();
  await nurse.look("place-phone");
});

it("forwards a message into another conversation, but nothing out of an encrypted one into an open one", async () => {
  const { page } = physician;
  await physician.choose("Good evening, could you look after bed 12 tonight?", "Forward");
  const dialog = page.getByRole("dialog", { name: "Forward to" });
  await dialog.getByRole("searchbox", { name: "Search conversations" }).fill("ward 3");
  await dialog.getByText("Nothing found").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: /^Ward 3 East/ }).click();
  await page.getByRole("heading", { name: "Ward 3 East" }).waitFor();
  await physician.sees("Transport for both discharges is booked at 13:30.");
  await physician.look("roles-desktop");
  await physician.choose("Transport for both discharges is booked at 13:30.", "Forward");
  await physician.look("forward-desktop");
  await dialog.getByRole("listitem").filter({ hasText: pair.nurseIs.name }).getByRole("button", { name: "Send" }).click();
  await nurse.sees("Transport for both discharges is booked at 13:30.");
});

it("goes to a day, and opens a conversation at a message that a link names", async () => {
  const { page } = physician;
  await physician.page.getByRole("button", { name: "Today", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Go to a date" });
  await physician.look("date-desktop");
  await dialog.getByRole("button", { name: "Go", exact: true }).click();
  await dialog.waitFor({ state: "detached" });
  await physician.sees("Good morning. Staffing today: four on the early shift, three on the late one, nights are covered.");
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await physician.choose("Infusion pump 7 is back from medical engineering and charged.", "Copy link");
  await page.getByText("Copied", { exact: true }).waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  await nurse.page.goto(link);
  await nurse.sees("Infusion pump 7 is back from medical engineering and charged.");
  await nurse.page.locator("[data-target=true]").filter({ hasText: "Infusion pump 7" }).waitFor();
  await nurse.look("permalink-phone");
});

it("reports a message", async () => {
  await nurse.choose("Infusion pump 7 is back from medical engineering and charged.", "Report");
  const dialog = nurse.page.getByRole("dialog", { name: "Report a message" });
  await dialog.getByLabel("Reason").fill("Belongs into another room");
  await nurse.look("report-phone");
  await dialog.getByRole("button", { name: "Report", exact: true }).click();
  await nurse.page.getByText("The report was sent.").waitFor();
});

it("never threw, broke the content security policy or showed axe anything wrong", () => {
  expect(pair.faults).toEqual([]);
});
