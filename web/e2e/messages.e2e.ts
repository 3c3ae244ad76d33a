import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { desktop, openBrowser, Person, phone, pictures } from "./person.ts";
import { Server, type DemoSignIn } from "./server.ts";

// Two people work with their messages: a physician at a desk, a nurse with a phone.

let server: Server;
let browser: Browser;
let physician: Person;
let nurse: Person;
let physicianIs: DemoSignIn;
let nurseIs: DemoSignIn;

beforeAll(async () => {
  [server, browser] = await Promise.all([Server.start(), openBrowser()]);
  const people = await server.people();
  const find = (role: RegExp): DemoSignIn => {
    const found = people.find((person) => role.test(person.role));
    if (found === undefined) throw new Error(`nobody with role ${String(role)}`);
    return found;
  };
  physicianIs = find(/physician|cardiologist|doctor/i);
  nurseIs = find(/nurse/i);
  physician = await Person.at(browser, server.address, desktop);
  nurse = await Person.at(browser, server.address, phone, true);
  await Promise.all([physician.signIn(physicianIs.name), nurse.signIn(nurseIs.name)]);
  const { page } = physician;
  await physician.go("New");
  await page.getByLabel("Find people by name").fill(nurseIs.name.split(" ").at(-1) ?? "");
  await page.getByRole("button", { name: nurseIs.name }).click();
  await page.getByRole("button", { name: /^Write to/ }).click();
  await page.getByRole("heading", { name: nurseIs.name }).waitFor();
  await physician.write("Good evening, could you look after bed 12 tonight?");
  await nurse.page.getByRole("button", { name: "Accept" }).click();
  await nurse.sees("Good evening, could you look after bed 12 tonight?");
});

afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  process.stderr.write([...physician.faults, ...nurse.faults, ...physician.said.slice(-8), ...nurse.said.slice(-8)].join("\n"));
  await physician.page.screenshot({ path: `${pictures}failed-physician.png` });
  await nurse.page.screenshot({ path: `${pictures}failed-nurse.png` });
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

/** Chooses a command from a message's menu, with the mouse or with a finger that stays. */
async function choose(person: Person, text: string, command: string): Promise<void> {
  const { page } = person;
  const message = person.message(text);
  await message.getByRole("button", { name: "Message options" }).dispatchEvent("click");
  await page.getByRole("menu", { name: "Message options" }).getByRole("menuitem", { name: command, exact: true }).click();
}

it("answers a message, and shows what is answered", async () => {
  await choose(nurse, "Good evening, could you look after bed 12 tonight?", "Reply");
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
  await choose(physician, "Wrong bed, sorry", "Delete for everybody");
  await physician.page.getByText(`Read already by: ${nurseIs.name}`).waitFor();
  await physician.look("delete-desktop");
  await physician.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await nurse.page.getByRole("log").getByText("Message removed").waitFor();
  await expect.poll(() => nurse.texts("Wrong bed"), { timeout: 20_000 }).toEqual([]);
});
