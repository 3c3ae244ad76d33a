import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { Pair } from "./pair.ts";
import { desktop, phone, type Person } from "./person.ts";
import type { DemoSignIn, Server } from "./server.ts";

// A physician makes a recovery key, gets a second and a third device, locks, goes offline and opens a second tab; a nurse
// is on the other side.

let pair: Pair;
let server: Server;
let physician: Person;
let nurse: Person;
let second: Person;
let physicianIs: DemoSignIn;
let nurseIs: DemoSignIn;
let recoveryKey: string[];

beforeAll(async () => {
  pair = await Pair.open();
  ({ server, physician, nurse, physicianIs, nurseIs } = pair);
});

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await pair.failed();
});

afterAll(() => pair.part());

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
  second = await pair.join(phone, true);
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

it("confirms a third device with the recovery key, after a wrong one", async () => {
  const third = await pair.join(desktop);
  const { page } = third;
  await third.signIn(physicianIs.name, "stay");
  await page.getByRole("button", { name: /recovery key/ }).click();
  const field = page.getByRole("textbox", { name: "Recovery key" });
  await field.fill(recoveryKey.slice(1).join(" "));
  await page.getByRole("button", { name: "Confirm", exact: true }).click();
  await page.getByText("not a whole recovery key").waitFor();
  await third.look("confirm-wrong-key-desktop");
  await field.fill(recoveryKey.join("  "));
  await page.getByRole("button", { name: "Confirm", exact: true }).click();
  await page.getByRole("heading", { name: "This device is confirmed" }).waitFor();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("link", { name: new RegExp(nurseIs.name) }).click();
  await third.sees("I will repeat it now");
  await third.leave();
});

it("keeps nothing readable in the browser", async () => {
  await physician.page.evaluate(() => {
    document.dispatchEvent(new Event("visibilitychange")); // looked away: what is not written yet is
  });
  const found = await physician.page.evaluate(async (secrets) => {
    const texts: string[] = [JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), document.cookie];
    const say = (value: unknown): void => {
      if (value instanceof CryptoKey) texts.push(`extractable ${String(value.extractable)}`);
      else if (value instanceof ArrayBuffer) texts.push(new TextDecoder("latin1").decode(value));
      else if (ArrayBuffer.isView(value)) texts.push(new TextDecoder("latin1").decode(value));
      else if (typeof value === "object" && value !== null) {
        for (const [name, inner] of Object.entries(value)) {
          texts.push(name);
          say(inner);
        }
      }
      else texts.push(String(value));
    };
    for (const { name } of await indexedDB.databases()) {
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const request = indexedDB.open(name ?? "");
        request.onsuccess = () => {
          resolve(request.result);
        };
        request.onerror = () => {
          reject(new Error("does not open"));
        };
      });
      for (const store of database.objectStoreNames) {
        if (store === "tracked_users") continue; // the SDK's crypto keeps in clear whose devices it follows (SECURITY.md)
        const from = texts.length;
        for (const kind of ["getAll", "getAllKeys"] as const) {
          say(
            await new Promise<unknown>((resolve) => {
              const request = database.transaction(store).objectStore(store)[kind]() as IDBRequest;
              request.onsuccess = () => {
                resolve(request.result);
              };
            }),
          );
        }
        for (let i = from; i < texts.length; i++) texts[i] = `${name ?? ""}/${store}: ${texts[i] ?? ""}`;
      }
      database.close();
    }
    for (const name of await caches.keys()) for (const request of await (await caches.open(name)).keys()) texts.push(request.url.replace(location.origin, ""));
    return secrets.flatMap((secret) => texts.filter((text) => text.includes(secret)).map((text) => `${secret} in ${text.slice(0, 200)}`));
  }, ["Potassium of bed nine", "I will repeat it", nurseIs.user.split(":")[0] ?? "", recoveryKey[3] ?? "", "extractable true", "/_matrix"]);
  expect(found).toEqual([]);
});

it("works in two tabs at once, and goes on when the first is closed", async () => {
  const { page } = physician;
  await page.getByRole("link", { name: new RegExp(nurseIs.name) }).click();
  const other = await page.context().newPage();
  other.setDefaultTimeout(20_000);
  await other.goto(page.url());
  await other.getByText("I will repeat it now").first().waitFor();
  const write = async (text: string): Promise<void> => {
    await other.getByRole("textbox", { name: "Message" }).fill(text);
    await other.getByRole("button", { name: "Send" }).click();
  };
  await write("Written in the second tab");
  await physician.sees("Written in the second tab");
  await nurse.sees("Written in the second tab");
  await nurse.write("Read it");
  await other.getByText("Read it", { exact: true }).first().waitFor();
  await page.close();
  await write("Written after the first tab was closed");
  await nurse.sees("Written after the first tab was closed");
  await expect.poll(() => nurse.texts("Written after"), { timeout: 20_000 }).toHaveLength(1);
  physician.useTab(other);
});

it("locks every tab, shows nothing then, and opens with the password only", async () => {
  const { page } = physician;
  const other = await page.context().newPage();
  await other.goto("/");
  await other.getByRole("list", { name: "Conversations" }).waitFor();
  await page.getByRole("textbox", { name: "Message" }).fill("half a thou");
  await physician.go("Me");
  await page.getByRole("button", { name: "Lock now" }).click();
  for (const tab of [page, other]) await tab.getByRole("button", { name: "Unlock", exact: true }).waitFor();
  expect(await page.locator("body").textContent()).not.toContain(nurseIs.name.split(" ").at(-1));
  expect(await page.title()).toBe("Myelin");
  await physician.look("locked-desktop");
  await page.setViewportSize(phone);
  await physician.look("locked-phone");
  await page.setViewportSize(desktop);
  await page.reload();
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Unlock", exact: true }).click();
  await page.getByText("That is not the password").waitFor();
  await physician.look("locked-wrong-desktop");
  await page.getByLabel("Password").fill(physicianIs.password);
  await page.getByRole("button", { name: "Unlock", exact: true }).click();
  await physician.go("Inbox");
  await page.getByRole("link", { name: new RegExp(nurseIs.name) }).click();
  await expect.poll(() => page.getByRole("textbox", { name: "Message" }).inputValue()).toBe("half a thou");
  await page.getByRole("textbox", { name: "Message" }).fill("");
  await other.getByRole("list", { name: "Conversations" }).waitFor();
  await other.close();
});

it("opens without a network, and sends once what was written there, also after a server that was away", async () => {
  const { page } = physician;
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await page.getByRole("link", { name: new RegExp(nurseIs.name) }).click();
  await page.context().setOffline(true);
  await page.reload();
  await physician.sees("Potassium of bed nine is 5.9");
  await physician.write("Written without a network");
  await page.getByText("Offline, 1 message waiting").waitFor();
  await physician.write("And another one");
  await page.getByText("Offline, 2 messages waiting").waitFor();
  await physician.look("offline-desktop");
  await page.setViewportSize(phone);
  await physician.look("offline-phone");
  await page.setViewportSize(desktop);
  await page.reload();
  await physician.sees("And another one");
  await server.kill();
  await page.context().setOffline(false);
  await server.run();
  await nurse.message("And another one").waitFor({ timeout: 40_000 });
  await expect.poll(() => nurse.texts("Written without"), { timeout: 20_000 }).toHaveLength(1);
  await expect.poll(() => nurse.texts("And another"), { timeout: 20_000 }).toHaveLength(1);
  await page.getByText(/^Offline|^Server not reachable/).waitFor({ state: "hidden" });
});

it("never threw, broke the content security policy or showed axe anything wrong", () => {
  expect(pair.faults).toEqual([]);
});
