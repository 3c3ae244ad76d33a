import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { Pair } from "./pair.ts";
import type { Person } from "./person.ts";
import { drawPng } from "./png.ts";
import type { DemoSignIn, Server } from "./server.ts";

// A physician at a desk and a nurse with a phone meet, talk, and lose their server in the middle of it.

let pair: Pair;
let server: Server;
let physician: Person;
let nurse: Person;
let physicianIs: DemoSignIn;
let nurseIs: DemoSignIn;

beforeAll(async () => {
  pair = await Pair.open();
  ({ server, physician, nurse, physicianIs, nurseIs } = pair);
});

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await pair.failed();
});

afterAll(() => pair.part());

it("offers the demo sign-ins, and refuses a wrong password in plain words", async () => {
  const { page } = physician;
  await page.getByRole("heading", { name: "Sign in as somebody" }).waitFor();
  await physician.look("sign-in-desktop");
  await nurse.look("sign-in-phone");
  await page.getByLabel("User name").fill(physicianIs.user);
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByText("do not go together").waitFor();
  await physician.look("sign-in-refused-desktop");
});

it("signs both in and sets their encryption up without asking anything", async () => {
  await Promise.all([physician.signIn(physicianIs.name), nurse.signIn(nurseIs.name)]);
  for (const person of [physician, nurse]) {
    await person.go("Me");
    await person.page.getByText("This device is confirmed as yours").waitFor();
  }
  await physician.look("me-desktop");
  await nurse.look("me-phone");
  await nurse.page.getByRole("link", { name: "Appearance and language" }).click();
  await nurse.page.getByRole("radio", { name: "Dark" }).check();
  await nurse.look("appearance-dark-phone");
  await nurse.page.getByRole("radio", { name: "Like the device" }).check();
  await nurse.go("Inbox");
  await nurse.page.getByRole("list", { name: "Conversations" }).waitFor();
  await nurse.look("inbox-phone");
});

it("keeps nothing readable in the browser", async () => {
  const found = await physician.page.evaluate(async (secret) => {
    const texts: string[] = [JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), document.cookie];
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open("myelin");
      request.onsuccess = () => {
        resolve(request.result);
      };
      request.onerror = () => {
        reject(new Error("no vault"));
      };
    });
    for (const name of database.objectStoreNames) {
      const all = await new Promise<unknown[]>((resolve) => {
        const request = database.transaction(name).objectStore(name).getAll();
        request.onsuccess = () => {
          resolve(request.result);
        };
      });
      for (const value of all) {
        if (value instanceof CryptoKey) texts.push(`extractable ${String(value.extractable)}`);
        else texts.push(new TextDecoder().decode((value as { data: ArrayBuffer }).data));
      }
    }
    database.close();
    return texts.filter((text) => text.includes(secret) || text.includes("extractable true"));
  }, physicianIs.user);
  expect(found).toEqual([]);
});

it("starts an encrypted conversation with somebody found by name", async () => {
  const { page } = physician;
  const surname = nurseIs.name.split(" ").at(-1) ?? "";
  await physician.go("New");
  await page.getByLabel("Find people by name").fill(surname);
  await page.getByRole("button", { name: nurseIs.name }).click();
  await physician.look("new-conversation-desktop");
  await page.getByRole("button", { name: /^Write to/ }).click();
  await page.getByRole("heading", { name: nurseIs.name }).waitFor();
  await page.getByText("Encrypted", { exact: true }).waitFor();
  await physician.write("Good evening, could you look after bed 12 tonight?");
  await physician.message("Good evening, could you look after bed 12 tonight?").getByText("Sent").waitFor();
});

it("brings the invitation and the message to the nurse, who answers", async () => {
  const { page } = nurse;
  await page.getByRole("heading", { name: "Invitations" }).waitFor();
  await nurse.look("invitation-phone");
  await page.getByRole("button", { name: "Accept" }).click();
  await nurse.sees("Good evening, could you look after bed 12 tonight?");
  await nurse.write("Of course. Anything I should watch?");
  await physician.sees("Of course. Anything I should watch?");
  await physician.message("Good evening, could you look after bed 12 tonight?").getByText("Read").waitFor();
  await nurse.message("Of course. Anything I should watch?").getByText("Read").waitFor();
});

it("shows who is writing", async () => {
  await nurse.page.getByRole("textbox", { name: "Message" }).fill("Bl");
  await physician.page.getByRole("log").getByText("is writing").waitFor();
  await nurse.page.getByRole("textbox", { name: "Message" }).fill("");
});

it("carries a picture, encrypted, both small and large", async () => {
  await physician.attach("ecg.png", drawPng(1200, 700));
  const shown = nurse.page.getByRole("button", { name: "Open picture ecg.png" });
  await shown.getByRole("img").waitFor();
  await nurse.look("conversation-phone");
  await shown.click();
  const large = nurse.page.getByRole("dialog").getByRole("img", { name: "Picture ecg.png" });
  await large.waitFor();
  expect(await large.evaluate((img: HTMLImageElement) => img.decode().then(() => [img.naturalWidth, img.naturalHeight]))).toEqual([1200, 700]);
  await nurse.look("picture-phone");
  await nurse.page.keyboard.press("Escape");
});

it("shows the same after a reload, without signing in", async () => {
  await physician.page.reload();
  await physician.sees("Of course. Anything I should watch?");
  await physician.sees("Good evening, could you look after bed 12 tonight?");
  await physician.page.getByRole("button", { name: "Open picture ecg.png" }).getByRole("img").waitFor();
  await physician.look("conversation-desktop");
  await physician.page.getByRole("button", { name: "People and details" }).click();
  await physician.look("details-desktop");
  await physician.page.getByRole("button", { name: "Close details" }).click();
});

it("loses nothing that was shown as sent when the server is killed in the middle, and sends the rest once", async () => {
  const { page } = physician;
  const sent: string[] = [];
  for (let i = 1; i <= 12; i++) {
    await physician.write(`Dose ${String(i)}`);
    if (i === 6) await server.kill();
  }
  await page.getByText("Server not reachable").waitFor();
  for (const text of await physician.texts("Dose ")) {
    const status = await physician.message(text).textContent();
    if (/Sent|Delivered|Read/.test(status ?? "")) sent.push(text);
  }
  expect(sent).not.toContain("Dose 12");
  await physician.look("unreachable-desktop");
  await nurse.look("unreachable-phone");
  await server.run();
  await physician.message("Dose 12").getByText(/Sent|Delivered|Read/).waitFor({ timeout: 60_000 });
  await nurse.message("Dose 12").waitFor({ timeout: 60_000 });
  const all = Array.from({ length: 12 }, (_, i) => `Dose ${String(i + 1)}`);
  await expect.poll(() => nurse.texts("Dose "), { timeout: 20_000 }).toEqual(all);
  await expect.poll(() => physician.texts("Dose "), { timeout: 20_000 }).toEqual(all);
  await page.getByText("Server not reachable").waitFor({ state: "hidden" });
});

it("sends after a reload what was waiting before it", async () => {
  const { page } = physician;
  await server.kill();
  await physician.write("Kept over a reload");
  await physician.message("Kept over a reload").getByText(/Waiting|Sending/).waitFor();
  await server.run();
  await page.reload();
  await physician.message("Kept over a reload").getByText(/Sent|Delivered|Read/).waitFor({ timeout: 60_000 });
  await nurse.sees("Kept over a reload");
  await expect.poll(() => nurse.texts("Kept over a reload"), { timeout: 20_000 }).toHaveLength(1);
});

it("pages back through history", async () => {
  const { page } = nurse;
  for (let i = 1; i <= 60; i++) await physician.write(`Line ${String(i)}`);
  await physician.message("Line 60").getByText(/Sent|Delivered|Read/).waitFor({ timeout: 60_000 });
  await page.reload();
  await nurse.sees("Line 60");
  await page.getByRole("log").hover();
  while ((await nurse.texts("Good evening")).length === 0) {
    await page.getByRole("log").evaluate((log) => {
      log.scrollTop = -log.scrollHeight;
    });
    await page.waitForTimeout(100);
  }
  await expect.poll(() => nurse.texts("Line "), { timeout: 20_000 }).toEqual(Array.from({ length: 60 }, (_, i) => `Line ${String(i + 1)}`));
});

it("talks in a group, with who has read what", async () => {
  const { page } = physician;
  const people = await server.people();
  const third = people.find((person) => person.user !== physicianIs.user && person.user !== nurseIs.user);
  await physician.go("New");
  for (const one of [nurseIs, third]) {
    await page.getByLabel("Find people by name").fill(one?.name.split(" ").at(-1) ?? "");
    await page.getByRole("button", { name: one?.name ?? "" }).click();
  }
  await page.getByLabel("Name of the group").fill("Ward 3 night shift");
  await page.getByRole("button", { name: /Start group/ }).click();
  await page.getByRole("heading", { name: "Ward 3 night shift" }).waitFor();
  await physician.write("Handover in ten minutes");
  await nurse.page.getByRole("button", { name: "Back to the inbox" }).click();
  await nurse.page.getByRole("button", { name: "Accept" }).click();
  await nurse.sees("Handover in ten minutes");
  await nurse.write("On my way");
  await physician.sees("On my way");
  await physician.message("Handover in ten minutes").getByRole("button", { name: /^Read/ }).click();
  await page.getByRole("dialog", { name: "Read by" }).getByText(nurseIs.name).waitFor();
  await physician.look("readers-desktop");
  await page.getByRole("button", { name: "Close", exact: true }).click();
  await physician.look("group-desktop");
  await nurse.look("group-phone");
});

it("is as readable in the dark", async () => {
  await physician.go("Me");
  await physician.page.getByRole("radio", { name: "Dark" }).check();
  await physician.look("me-dark-desktop");
  await physician.go("Inbox");
  await physician.page.getByRole("link", { name: /Ward 3 night shift/ }).click();
  await physician.sees("On my way");
  await physician.look("group-dark-desktop");
  await nurse.page.getByRole("button", { name: "Back to the inbox" }).click();
  await nurse.go("New");
  await nurse.page.getByLabel("Find people by name").fill("yu");
  await nurse.page.getByRole("list", { name: "People found" }).waitFor();
  await nurse.look("new-conversation-phone");
  await nurse.go("Inbox");
  await nurse.page.getByRole("link", { name: /Ward 3 night shift/ }).click();
});

it("says so when the server ends the session, and goes on after signing in again", async () => {
  const { page } = physician;
  await server.endSessions(physicianIs.user);
  await page.getByText("Your session has ended").waitFor();
  await physician.look("session-ended-desktop");
  await physician.signIn(physicianIs.name);
  await page.getByRole("link", { name: /Ward 3 night shift/ }).click();
  await page.getByText(/Sent before you signed in on this device/).first().waitFor();
  await physician.write("Back again");
  await nurse.sees("Back again");
  await physician.look("new-device-desktop");
});

it("signs out and leaves nothing behind", async () => {
  await nurse.page.getByRole("button", { name: "Back to the inbox" }).click();
  await nurse.go("Me");
  await nurse.page.getByRole("button", { name: "Sign out" }).click();
  await nurse.look("sign-out-phone");
  await nurse.page.getByRole("dialog").getByRole("button", { name: "Sign out" }).click();
  await nurse.page.getByRole("heading", { name: "Sign in as somebody" }).waitFor();
  const left = await nurse.page.evaluate(async () => (await indexedDB.databases()).map((one) => one.name).filter((name) => name !== "myelin"));
  expect(left).toEqual([]);
});

it("never threw, broke the content security policy or showed axe anything wrong", () => {
  expect(pair.faults).toEqual([]);
});
