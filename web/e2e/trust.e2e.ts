import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { desktop, openBrowser, Person, phone, pictures } from "./person.ts";
import { Server, type DemoSignIn } from "./server.ts";

// A physician makes a recovery key, gets a second and a third device, locks, goes offline and opens a second tab; a nurse
// is on the other side.

let server: Server;
let browser: Browser;
let physician: Person;
let nurse: Person;
let second: Person;
let physicianIs: DemoSignIn;
let nurseIs: DemoSignIn;
let recoveryKey: string[];
const everybody: Person[] = [];

const join = async (size: { width: number; height: number }, touch = false): Promise<Person> => {
  const person = await Person.at(browser, server.address, size, touch);
  everybody.push(person);
  return person;
};

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
  physician = await join(desktop);
  nurse = await join(phone, true);
});

afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  for (const [i, person] of everybody.entries()) {
    process.stderr.write([...person.faults, ...person.said.slice(-15)].join("\n"));
    await person.page.screenshot({ path: `${pictures}failed-trust-${String(i)}.png` }).catch(() => undefined);
  }
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

/** The parts of the recovery key on the screen. */
async function partsOn(page: Page): Promise<string[]> {
  return page.getByRole("list", { name: "Your recovery key" }).locator("code").allTextContents();
}

it("asks for a recovery key after the first sign-in, and checks that it was kept", async () => {
  const { page } = physician;
  await physician.signIn(physicianIs.name, "stay");
  await physician.look("recovery-why-desktop");
  await page.getByRole("button", { name: "Make my recovery key" }).click();
  recoveryKey = await partsOn(page);
  expect(recoveryKey).toHaveLength(12);
  await physician.look("recovery-key-desktop");
  await page.getByRole("button", { name: "I have kept it" }).click();
  const fields = page.getByRole("textbox", { name: /^Part \d+$/ });
  await fields.first().fill("xxxx");
  await fields.last().fill("xxxx");
  await page.getByRole("button", { name: "Check and finish" }).click();
  await page.getByText("not the same as in your key").waitFor();
  for (const label of await page.locator("label").filter({ hasText: /^Part/ }).allTextContents()) {
    await page.getByRole("textbox", { name: label, exact: true }).fill(recoveryKey[Number(label.split(" ")[1]) - 1] ?? "");
  }
  await physician.look("recovery-check-desktop");
  await page.getByRole("button", { name: "Check and finish" }).click();
  await page.getByRole("heading", { name: "Your messages are safe" }).waitFor();
  await page.getByRole("button", { name: "Done" }).click();
});

it("lets it be put off, and says so until it is done", async () => {
  const { page } = nurse;
  await nurse.signIn(nurseIs.name, "stay");
  await nurse.look("recovery-why-phone");
  await page.getByRole("button", { name: "Make my recovery key" }).click();
  await nurse.look("recovery-key-phone");
  await page.keyboard.press("Escape");
  await page.getByText("no recovery key yet").waitFor();
  await nurse.look("recovery-put-off-phone");
});

it("talks, so that there is history", async () => {
  await physician.go("New");
  await physician.page.getByLabel("Find people by name").fill(nurseIs.name.split(" ").at(-1) ?? "");
  await physician.page.getByRole("button", { name: nurseIs.name }).click();
  await physician.page.getByRole("button", { name: /^Write to/ }).click();
  await physician.write("Potassium of bed nine is 5.9");
  await nurse.page.getByRole("button", { name: "Accept" }).click();
  await nurse.sees("Potassium of bed nine is 5.9");
  await nurse.write("I will repeat it now");
  await physician.sees("I will repeat it now");
});

it("confirms a second device by comparing drawings, which then reads what was said before", async () => {
  second = await join(phone, true);
  await second.signIn(physicianIs.name, "stay");
  await second.look("confirm-phone");
  await second.page.getByRole("button", { name: /another device/ }).click();
  await physician.page.getByRole("heading", { name: /wants to be confirmed/ }).waitFor();
  await physician.look("verify-asked-desktop");
  await physician.page.getByRole("button", { name: "Go on" }).click();
  const drawings = async (person: Person): Promise<string[]> => {
    await person.page.getByRole("list", { name: "Seven drawings" }).waitFor();
    return person.page.getByRole("list", { name: "Seven drawings" }).getByRole("listitem").allTextContents();
  };
  expect(await drawings(second)).toEqual(await drawings(physician));
  expect(await drawings(second)).toHaveLength(7);
  await second.look("verify-compare-phone");
  await physician.look("verify-compare-desktop");
  await physician.page.getByRole("button", { name: "They are the same" }).click();
  await second.page.getByRole("button", { name: "They are the same" }).click();
  for (const person of [physician, second]) {
    await person.page.getByRole("heading", { name: "The device is confirmed" }).waitFor();
    await person.page.getByRole("button", { name: "Close" }).click();
  }
  await second.page.getByRole("button", { name: "Done" }).click({ timeout: 3_000 }).catch(() => undefined);
  await second.page.getByRole("link", { name: new RegExp(nurseIs.name) }).click();
  await second.sees("Potassium of bed nine is 5.9");
  await second.sees("I will repeat it now");
  await second.look("verified-history-phone");
});
