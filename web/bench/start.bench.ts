// How soon the room list is there: cold, warm, and warm on a slow line with a slow processor. Not a test: prints figures.
//   MYELIN_E2E_BIN=$PWD/../bin/myelin npm run bench
import type { CDPSession, Page } from "playwright-core";
import { it } from "vitest";

import { desktop, openBrowser, Person } from "../e2e/person.ts";
import { Server } from "../e2e/server.ts";
import { say } from "./say.ts";

const rooms = Number(process.env["ROOMS"] ?? 200);
const runs = 3;

it("opens", async () => {
  const server = await Server.start();
  const browser = await openBrowser();
  try {
    const [someone] = await server.people();
    if (someone === undefined) throw new Error("nobody there");
    await makeRooms(server, someone.user, someone.password);
    const person = await Person.at(browser, server.address, desktop);
    const { page } = person;

    const before = performance.now();
    await page.getByRole("button", { name: someone.name }).click();
    await page.getByRole("list", { name: "Conversations" }).getByRole("link").first().waitFor();
    say(performance.now() - before, 3_000, "ms", "first sign-in to list, localhost");
    await page.getByRole("dialog").getByRole("button", { name: "Not now" }).click();
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null || navigator.serviceWorker.ready.then(() => true));
    await page.waitForTimeout(6_000); // the list is written down

    const cdp = await page.context().newCDPSession(page);
    for (let i = 0; i < runs; i++) await reload(page, `warm, ${String(rooms)} rooms`, 1_000);
    await throttle(cdp);
    for (let i = 0; i < runs; i++) await reload(page, `warm, ${String(rooms)} rooms, 400 kbit/s, 400 ms, 4x slower`, 5_000);
    await cdp.send("Network.setBypassServiceWorker", { bypass: true });
    await cdp.send("Network.setCacheDisabled", { cacheDisabled: true });
    await reload(page, "the same with nothing of the app in the browser", 5_000);
  } finally {
    await browser.close();
    await server.stop();
  }
});

/** Reloads and prints when the list was painted and when the encryption was asked for. */
async function reload(page: Page, name: string, target: number): Promise<void> {
  await page.reload({ waitUntil: "commit", timeout: 120_000 });
  const at = await page.waitForFunction(
    () => (document.querySelectorAll('ul[aria-label="Conversations"] a').length > 3 ? performance.now() : undefined),
    undefined,
    { polling: "raf", timeout: 120_000 },
  );
  say(Number(await at.jsonValue()), target, "ms", name);
  await page.getByRole("status").first().waitFor({ state: "attached" });
  const wasm = await page.waitForFunction(
    () => performance.getEntriesByType("resource").find((entry) => entry.name.endsWith(".wasm"))?.startTime,
    undefined,
    { polling: 200, timeout: 300_000 },
  );
  process.stdout.write(`    encryption asked for at ${Math.round(Number(await wasm.jsonValue())).toString()} ms\n`);
}

async function throttle(cdp: CDPSession): Promise<void> {
  await cdp.send("Network.enable");
  await cdp.send("Network.emulateNetworkConditions", { offline: false, latency: 400, downloadThroughput: 50_000, uploadThroughput: 50_000 });
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: 4 });
}

/** Rooms of somebody's own, a few messages in each. */
async function makeRooms(server: Server, user: string, password: string): Promise<void> {
  const call = async (method: string, path: string, body: object, token?: string): Promise<Record<string, string>> => {
    for (;;) {
      const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` };
      const response = await fetch(`${server.address}/_matrix/client/v3/${path}`, { method, headers, body: JSON.stringify(body) });
      if (response.status !== 429) return (await response.json()) as Record<string, string>;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const { access_token } = await call("POST", "login", { type: "m.login.password", identifier: { type: "m.id.user", user }, password });
  for (let i = 0; i < rooms; i++) {
    const { room_id = "" } = await call("POST", "createRoom", { name: `Bench ${String(i)}`, preset: "private_chat" }, access_token);
    for (let j = 0; j < 3; j++) {
      await call("PUT", `rooms/${encodeURIComponent(room_id)}/send/m.room.message/${String(i)}-${String(j)}`, { msgtype: "m.text", body: `Message ${String(j)}` }, access_token);
    }
  }
  await call("POST", "logout", {}, access_token);
}
