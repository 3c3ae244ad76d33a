import type { Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { Pair } from "./pair.ts";
import { desktop, type Person } from "./person.ts";

// Two people write to each other, and find again what they wrote: on this device what is encrypted, by the server the rest.

let pair: Pair;
let physician: Person;
let nurse: Person;
let recoveryKey: string[];

const first = "Troponin of bed seven is 14, repeat it at 16:00";
const fever = "The fever is gone since noon";

beforeAll(async () => {
  pair = await Pair.open();
  ({ physician, nurse } = pair);
  await physician.signIn(pair.physicianIs.name, "stay");
  recoveryKey = await makeRecoveryKey(physician.page);
  await nurse.signIn(pair.nurseIs.name);
  await pair.greet(first);
});

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await pair.failed();
});

afterAll(() => pair.part());

async function makeRecoveryKey(page: Page): Promise<string[]> {
  await page.getByRole("button", { name: "Make my recovery key" }).click();
  const parts = await page.getByRole("list", { name: "Your recovery key" }).locator("code").allTextContents();
  await page.getByRole("button", { name: "I have kept it" }).click();
  for (const label of await page.locator("label").filter({ hasText: /^Part/ }).allTextContents()) {
    await page.getByRole("textbox", { name: label, exact: true }).fill(parts[Number(label.split(" ")[1]) - 1] ?? "");
  }
  await page.getByRole("button", { name: "Check and finish" }).click();
  await page.getByRole("button", { name: "Done" }).click();
  return parts;
}

/** The field of the search, wherever it stands. */
function field({ page }: Person): Locator {
  return page.getByRole("textbox", { name: /^Search (this|all) conversation/ });
}

function found({ page }: Person): Locator {
  return page.getByRole("list", { name: "Messages found" }).getByRole("link");
}

/** Looks for words until so many messages are found: what was just written is taken in a moment later. */
async function finds(person: Person, term: string, count: number): Promise<void> {
  await expect
    .poll(
      async () => {
        await field(person).fill("");
        await field(person).fill(term);
        await person.page.getByRole("status").filter({ hasText: /messages? found|No messages found/ }).waitFor();
        return found(person).count();
      },
      { timeout: 60_000 },
    )
    .toBe(count);
}

it("finds a message by how a word begins and goes to its place", async () => {
  const { page } = physician;
  await nurse.write(fever);
  await physician.sees(fever);
  await page.keyboard.press("Control+f");
  await finds(physician, "bed trop", 1);
  await page.getByText("1 message found").waitFor();
  expect(await found(physician).locator("mark").allTextContents()).toEqual(["Troponin", "bed"]);
  await physician.look("search-desktop");
  await field(physician).press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/message\/[^/]+\/search$/);
  await physician.sees(first);
  await found(physician).first().waitFor(); // beside it
  expect(page.url()).not.toMatch(/trop/i);
  await physician.look("search-jumped-desktop");
});

it("does so on a phone", async () => {
  const { page } = nurse;
  await page.getByRole("button", { name: "Search in this conversation" }).click();
  await finds(nurse, "16", 1);
  await nurse.look("search-phone");
  await found(nurse).first().click();
  await nurse.sees(first);
  await expect.poll(() => field(nurse).isVisible()).toBe(false); // it has made room
  await page.goBack();
  await finds(nurse, "fever", 1);
  await page.getByRole("button", { name: "Close", exact: true }).click();
});

it("finds after a reload, everywhere, and what the server can read", async () => {
  const { page } = physician;
  const colleague = await pair.server.colleague(pair.nurseIs.user);
  const ward = await colleague.room(`#ward-3-east:${colleague.user.split(":")[1] ?? ""}`);
  for (const n of [1, 2, 3]) await colleague.say(ward, `Line ${String(n)}`);
  await page.reload();
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: /^Inbox/ }).click();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill("gone");
  await page.getByRole("option", { name: /Search messages for/ }).click();
  await found(physician).filter({ hasText: fever }).waitFor();
  await finds(physician, "line ", 3);
  await finds(physician, "noon fev", 1);
  await physician.look("search-everywhere-desktop");
});

it("does not find what was deleted", async () => {
  await physician.page.getByRole("link", { name: new RegExp(fever) }).click();
  await nurse.choose(fever, "Delete for everybody");
  await nurse.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await nurse.page.getByText("Message removed", { exact: true }).waitFor();
  await physician.page.keyboard.press("Control+f");
  await finds(physician, "fever", 0);
  await physician.look("search-none-desktop");
});

it("goes further back on another device when it is asked to", async () => {
  await pair.server.say(pair.physicianIs.user, decodeURIComponent(new URL(physician.page.url()).pathname.split("/")[2] ?? ""), 40);
  // The first device stores the keys of what she and he wrote some seconds later; one that is asked for too early comes after minutes.
  const program = await pair.server.colleague(pair.physicianIs.user);
  await expect.poll(async () => Number((await program.call("GET", "room_keys/version"))["count"]), { timeout: 60_000 }).toBeGreaterThanOrEqual(2);
  const second = await pair.join(desktop);
  const { page } = second;
  await second.signIn(pair.physicianIs.name, "stay");
  await page.getByRole("button", { name: /recovery key/ }).click();
  await page.getByRole("textbox", { name: "Recovery key" }).fill(recoveryKey.join(" "));
  await page.getByRole("button", { name: "Confirm", exact: true }).click();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("link", { name: /Line 40/ }).waitFor();
  await page.keyboard.press("Control+f"); // the conversation is not opened: that would load it
  await finds(second, "troponin", 0);
  await page.getByText(/^Searched messages since .* on this device/).waitFor();
  await second.look("search-further-desktop");
  await page.getByRole("button", { name: "Search further back" }).click();
  await page.getByText("Searched from the beginning.").waitFor();
  await finds(second, "troponin", 1);
});

it("keeps no word of it readable in the browser", async () => {
  const readable = await physician.page.evaluate(async (words) => {
    const opened = <T>(request: IDBRequest<T>): Promise<T> =>
      new Promise((resolve) => {
        request.onsuccess = () => {
          resolve(request.result);
        };
      });
    const texts: string[] = [JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })];
    let records = 0;
    const database = await opened(indexedDB.open("myelin"));
    for (const name of database.objectStoreNames) {
      const store = database.transaction(name).objectStore(name);
      const [keys, values] = await Promise.all([opened(store.getAllKeys()), opened(store.getAll())]);
      if (name === "search") records = keys.length;
      for (const value of values) if (!(value instanceof CryptoKey)) texts.push(new TextDecoder().decode((value as { data: ArrayBuffer }).data));
      texts.push(keys.map(String).join("\n"));
    }
    database.close();
    return { records, found: texts.filter((text) => words.some((word) => text.toLowerCase().includes(word))) };
  }, ["troponin", "repeat it", "fever", pair.nurseIs.user]);
  expect(readable.found).toEqual([]);
  expect(readable.records).toBeGreaterThan(1);
});

it("never threw, broke the content security policy or showed axe anything wrong", () => {
  expect(pair.faults).toEqual([]);
});
