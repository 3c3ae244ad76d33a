import type { Request } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { Pair } from "./pair.ts";
import { phone, type Person } from "./person.ts";
import type { DemoSignIn } from "./server.ts";

// Is the other one who they seem to be? Two people confirm each other; one of them loses everything and starts afresh.

let pair: Pair;
let physician: Person;
let nurse: Person;
/** The nurse's new phone. */
let renewed: Person;
let physicianIs: DemoSignIn;
let nurseIs: DemoSignIn;

beforeAll(async () => {
  pair = await Pair.meet("Lactate of bed four is 3.1");
  ({ physician, nurse, physicianIs, nurseIs } = pair);
});

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await pair.failed();
});

afterAll(() => pair.part());

/** Opens somebody's window from the list of people in the conversation. */
async function windowOf(person: Person, name: string): Promise<void> {
  const { page } = person;
  await page.getByRole("button", { name: "People and details" }).click();
  await page.getByRole("navigation", { name: "Details" }).getByRole("link", { name: /People/ }).click();
  await page.getByRole("region", { name: "2 people" }).getByRole("button", { name }).click();
  await page.getByRole("dialog", { name }).waitFor();
}

/** Both see the same drawings and say so; the answer closes what says that it is done. */
async function compare(asking: Person, asked: Person, pictures: string): Promise<void> {
  await asking.page.getByRole("heading", { name: /^Waiting for/ }).waitFor();
  await asking.look(`${pictures}-waiting`);
  await asked.page.getByRole("heading", { name: /wants to confirm that you are you/ }).waitFor();
  await asked.look(`${pictures}-asked`);
  await asked.page.getByRole("button", { name: "Go on" }).click();
  const drawings = async (person: Person): Promise<string[]> => {
    const list = person.page.getByRole("list", { name: "Seven drawings" });
    await list.waitFor();
    return list.getByRole("listitem").allTextContents();
  };
  expect(await drawings(asking)).toEqual(await drawings(asked));
  await asked.look(`${pictures}-compare`);
  await asking.page.getByRole("button", { name: "They are the same" }).click();
  await asking.page.getByRole("heading", { name: "Waiting for the other screen" }).waitFor();
  await asked.page.getByRole("button", { name: "They are the same" }).click();
  for (const person of [asking, asked]) await person.page.getByRole("heading", { name: /is confirmed$/ }).waitFor();
  await asking.look(`${pictures}-done`);
  for (const person of [asking, asked]) await person.page.getByRole("dialog", { name: /is confirmed$/ }).getByRole("button", { name: "Close" }).click();
}

it("confirms another person by comparing drawings, and shows it afterwards", async () => {
  const { page } = physician;
  await windowOf(physician, nurseIs.name);
  await physician.look("person-unconfirmed-desktop");
  await page.getByRole("button", { name: `Confirm ${nurseIs.name}` }).click();
  await compare(physician, nurse, "person");
  await page.getByRole("dialog", { name: nurseIs.name }).getByText("Confirmed", { exact: true }).waitFor();
  await physician.look("person-confirmed-desktop");
  await page.getByRole("dialog", { name: nurseIs.name }).getByRole("button", { name: "Close" }).click();
});

it("says in plain words that a message cannot be read yet, and shows it by itself when the key comes", async () => {
  renewed = await pair.join(phone, true);
  const { page } = renewed;
  await renewed.signIn(nurseIs.name);
  await page.getByRole("link", { name: new RegExp(`${physicianIs.name} \\d`) }).click();
  await page.getByText("Sent before you signed in on this device.").waitFor();
  // The key goes astray on its way and is delivered later.
  const astray: Request[] = [];
  await physician.page.route("**/sendToDevice/m.room.encrypted/**", async (route) => {
    astray.push(route.request());
    await route.fulfill({ json: {} });
  });
  await physician.write("Lactate is falling");
  await page.getByText(/^Waiting for the key from the sender’s device/).waitFor();
  await renewed.look("key-waiting-phone");
  await physician.page.unroute("**/sendToDevice/m.room.encrypted/**");
  expect(astray.length).toBeGreaterThan(0);
  for (const sent of astray) {
    const answer = await fetch(sent.url(), { method: "PUT", headers: { Authorization: (await sent.headerValue("authorization")) ?? "" }, body: sent.postData() });
    expect(answer.status).toBe(200);
  }
  await renewed.sees("Lactate is falling");
  await renewed.look("key-came-phone");
});

/** Makes new keys with neither another device nor a recovery key, and says what the next step is about. */
async function startAfresh(person: Person, pictures?: string): Promise<void> {
  const { page } = person;
  await page.getByRole("button", { name: "I have neither" }).click();
  const password = page.getByLabel("Your password");
  if (pictures !== undefined) {
    await password.fill("not the password");
    await page.getByRole("button", { name: "Make new keys" }).click();
    await page.getByText("That is not your password.").waitFor();
    await person.look(`${pictures}-wrong`);
  }
  await password.fill(nurseIs.password);
  await page.getByRole("button", { name: "Make new keys" }).click();
  await page.getByRole("button", { name: "Make my recovery key" }).waitFor();
  if (pictures !== undefined) await person.look(`${pictures}-next`);
}

it("starts afresh when everything is lost, with a new recovery key", async () => {
  const { page } = renewed;
  await page.getByRole("button", { name: "Set up" }).click();
  await startAfresh(renewed, "afresh-phone");
  await page.getByRole("button", { name: "Make my recovery key" }).click();
  const parts = await page.getByRole("list", { name: "Your recovery key" }).locator("code").allTextContents();
  await page.getByRole("button", { name: "I have kept it" }).click();
  for (const label of await page.locator("label").filter({ hasText: /^Part/ }).allTextContents()) {
    await page.getByRole("textbox", { name: label, exact: true }).fill(parts[Number(label.split(" ")[1]) - 1] ?? "");
  }
  await page.getByRole("button", { name: "Check and finish" }).click();
  await page.getByRole("button", { name: "Done" }).click();
  await nurse.page.getByText("Confirm this device to read older messages").waitFor();
});

it("warns of the new keys, and takes them once they are compared", async () => {
  const { page } = physician;
  await page.getByText(`${nurseIs.name} has new keys.`).waitFor();
  await physician.look("person-changed-desktop");
  await page.getByRole("region", { name: "2 people" }).getByRole("button", { name: nurseIs.name }).click();
  await page.getByRole("dialog", { name: nurseIs.name }).getByText("New keys", { exact: true }).waitFor();
  await page.getByRole("dialog", { name: nurseIs.name }).getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Compare again" }).click();
  await compare(physician, renewed, "person-again");
  await page.getByText(`${nurseIs.name} has new keys.`).waitFor({ state: "hidden" });
  await nurse.page.getByRole("dialog", { name: /wants to confirm/ }).waitFor({ state: "hidden" });
  await physician.write("Now I am sure that it is you");
  await renewed.sees("Now I am sure that it is you");
});

it("goes on with new keys that were only asked about", async () => {
  await nurse.page.getByRole("button", { name: "Set up" }).click();
  await startAfresh(nurse);
  const { page } = physician;
  await page.getByText(`${nurseIs.name} has new keys.`).waitFor();
  await page.getByRole("button", { name: "I have asked them" }).click();
  await page.getByText(`${nurseIs.name} has new keys.`).waitFor({ state: "hidden" });
  await page.getByRole("region", { name: "2 people" }).getByRole("button", { name: nurseIs.name }).click();
  await page.getByRole("dialog", { name: nurseIs.name }).getByText("Not confirmed yet").waitFor();
});

it("never threw, broke the content security policy or showed axe anything wrong", () => {
  expect(pair.faults).toEqual([]);
});
