import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { Pair } from "./pair.ts";
import type { Person } from "./person.ts";
import type { DemoSignIn } from "./server.ts";

// Two people work with their messages: a physician at a desk, a nurse with a phone.

let pair: Pair;
let physician: Person;
let nurse: Person;
let physicianIs: DemoSignIn;
let nurseIs: DemoSignIn;

beforeAll(async () => {
  pair = await Pair.meet("Good evening, could you look after bed 12 tonight?");
  ({ physician, nurse, physicianIs, nurseIs } = pair);
});

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await pair.failed();
});

afterAll(() => pair.part());

it("answers a message, and shows what is answered", async () => {
  await nurse.choose("Good evening, could you look after bed 12 tonight?", "Reply");
  await nurse.page.getByText(`Answering ${physicianIs.name}`).waitFor();
  await nurse.look("answering-phone");
  await nurse.write("Of course. Anything I should watch?");
  const answer = physician.message("Of course. Anything I should watch?");
  await answer.getByRole("button", { name: /look after bed 12/ }).waitFor();
});

it("formats what is written, and names people", async () => {
  const { page } = physician;
  const field = page.getByRole("textbox", { name: "Message" });
  await field.fill("Pressure every **two** hours, 2*500*3 as before, `RR < 95` call me. ");
  await field.press("End");
  await field.pressSequentially("@");
  await page.getByRole("listbox", { name: "Suggestions" }).getByRole("option", { name: nurseIs.name }).click();
  await physician.look("mention-desktop");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const got = nurse.page.getByRole("article").filter({ hasText: "Pressure every two hours, 2*500*3 as before, RR < 95 call me." });
  await got.locator("strong", { hasText: "two" }).waitFor();
  await got.locator("code", { hasText: "RR < 95" }).waitFor();
  await got.locator("bdi[data-me=true]", { hasText: nurseIs.name }).waitFor();
});

it("changes a message with the arrow up, and both see the change", async () => {
  const { page } = physician;
  await physician.write("Call me below 90");
  await physician.message("Call me below 90").getByText(/Sent|Delivered|Read/).waitFor();
  const field = page.getByRole("textbox", { name: "Message" });
  await field.press("ArrowUp");
  await page.getByText("Editing a message").waitFor();
  await field.fill("Call me below 95");
  await field.press("Enter");
  await nurse.sees("Call me below 95");
  await nurse.message("Call me below 95").getByText("edited").waitFor();
  await expect.poll(() => nurse.texts("Call me below 90"), { timeout: 20_000 }).toEqual([]);
  await expect.poll(() => physician.texts("Call me below"), { timeout: 20_000 }).toEqual(["Call me below 95"]);
});

it("puts signs on a message, by the menu and by pressing the sign", async () => {
  await nurse.message("Call me below 95").getByRole("button", { name: "Message options" }).dispatchEvent("click");
  await nurse.look("menu-phone");
  await nurse.page.getByRole("menuitem", { name: "React with 👍" }).click();
  const sign = physician.message("Call me below 95").getByRole("button", { name: /^👍/ });
  await sign.click();
  await nurse.message("Call me below 95").getByRole("button", { name: /^👍 ?2/ }).waitFor();
  await physician.message("Call me below 95").hover();
  await physician.message("Call me below 95").getByRole("button", { name: "Message options" }).click();
  await physician.look("menu-desktop");
  await physician.page.keyboard.press("Escape");
});

it("deletes for everybody, after saying who has read it", async () => {
  await physician.write("Wrong bed, sorry");
  await nurse.sees("Wrong bed, sorry");
  await physician.message("Wrong bed, sorry").getByText("Read").waitFor();
  await physician.choose("Wrong bed, sorry", "Delete for everybody");
  await physician.page.getByText(`Read already by: ${nurseIs.name}`).waitFor();
  await physician.look("delete-desktop");
  await physician.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await nurse.page.getByRole("log").getByText("Message removed").waitFor();
  await expect.poll(() => nurse.texts("Wrong bed"), { timeout: 20_000 }).toEqual([]);
});

it("never threw, broke the content security policy or showed axe anything wrong", () => {
  expect(pair.faults).toEqual([]);
});
