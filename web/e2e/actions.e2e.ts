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
  await picker.getByRole("textbox", { name: "Search emoji" }).fill("hospital");
  await picker.getByRole("button", { name: "hospital", exact: true }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await nurse.message("Good evening, could you look after bed 12 tonight?").getByRole("button", { name: /^🏥/ }).waitFor();
});

it("says that a message has arrived before it is read, and then by whom and when it was", async () => {
  const { page } = physician;
  await nurse.page.getByRole("button", { name: "Back to the inbox" }).tap();
  await physician.write("The results are there");
  const sent = physician.message("The results are there");
  await sent.getByText("Delivered", { exact: true }).waitFor();
  await physician.choose("The results are there", "Message details");
  const details = page.getByRole("dialog", { name: "Message details" });
  await details.getByText(/^Delivered, /).waitFor();
  await physician.look("delivered-desktop");
  await nurse.page.getByRole("link", { name: /The results are there/ }).tap();
  await nurse.sees("The results are there");
  await details.getByText("Read by 1 of 1").waitFor();
  await details.getByRole("button", { name: "Close" }).click();
  await sent.getByText("Read", { exact: true }).waitFor();
});

it("lets a message vanish, or all messages of a conversation", async () => {
  const { page } = physician;
  await page.getByRole("textbox", { name: "Message" }).fill("The code of the cabinet is 4711");
  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: "Let this message vanish" }).click();
  const once = page.getByRole("dialog", { name: "Let this message vanish" });
  await once.getByLabel("Vanish after").selectOption({ label: "5 minutes" });
  await once.getByRole("button", { name: "Done" }).click();
  await page.getByText("This message vanishes after 5 minutes").waitFor();
  await physician.look("vanishing-desktop");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("This message vanishes after").waitFor({ state: "detached" });
  await nurse.sees("The code of the cabinet is 4711");
  await nurse.choose("The code of the cabinet is 4711", "Message details");
  await nurse.page.getByRole("dialog", { name: "Message details" }).getByText("Vanishes", { exact: true }).waitFor();
  await nurse.look("vanishes-phone");
  await nurse.page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: "Vanishing messages" }).click();
  const all = page.getByRole("dialog", { name: "Vanishing messages" });
  await all.getByLabel("Vanish after").selectOption({ label: "8 hours" });
  await physician.look("expiry-desktop");
  await all.getByRole("button", { name: "Save" }).click();
  await nurse.page.getByText("new messages vanish after 8 hours").waitFor();
  await nurse.write("Understood");
  await physician.choose("Understood", "Message details");
  await page.getByRole("dialog", { name: "Message details" }).getByText("Vanishes", { exact: true }).waitFor();
  await page.keyboard.press("Escape");
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
  await dialog.getByRole("textbox", { name: "Search conversations" }).fill("ward 3");
  await dialog.getByText("Nothing found").waitFor();
  await page.keyboard.press("Escape"); // empties the search
  await dialog.getByRole("listitem").first().waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("link", { name: /^Ward 3 East/ }).click();
  await page.getByRole("heading", { name: "Ward 3 East" }).waitFor();
  await physician.sees("Transport for both discharges is booked at 13:30.");
  await page.getByRole("log").getByText("Social worker").waitFor();
  await physician.look("roles-desktop");
  await physician.choose("Transport for both discharges is booked at 13:30.", "Forward");
  await physician.look("forward-desktop");
  await dialog.getByRole("listitem").filter({ hasText: pair.nurseIs.name }).getByRole("button", { name: "Send" }).click();
  await nurse.sees("Transport for both discharges is booked at 13:30.");
});

it("deletes a message from the server when its time is over, and leaves no trace of it", async () => {
  const jonas = await pair.server.colleague(pair.nurseIs.user);
  const room = decodeURIComponent(new URL(physician.page.url()).pathname.split("/")[2] ?? "");
  await jonas.send(room, { msgtype: "m.text", body: "Gone in a moment", "org.myelin.expires_at": Date.now() + 1_000 });
  const newest = async (): Promise<unknown> => (await jonas.call("GET", `rooms/${encodeURIComponent(room)}/messages?dir=b&limit=1`))["chunk"];
  await expect.poll(newest, { timeout: 60_000 }).toMatchObject([{ type: "m.room.redaction", content: { reason: "org.myelin.expired" } }]);
  await jonas.send(room, { msgtype: "m.text", body: "Still here" });
  await physician.sees("Still here");
  expect(await physician.texts("Gone")).toEqual([]);
  expect(await physician.page.getByRole("log").getByText("Message removed").count()).toBe(0);
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
