// What a conversation is like to somebody who reads and writes in it: how far things move while one scrolls back, how soon a
// key shows while others write, and whether memory grows. Not a test: prints figures.
//   MYELIN_E2E_BIN=$PWD/../bin/myelin npm run bench -- bench/conversation.bench.ts
import type { Browser, CDPSession, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";

import type { Colleague } from "../e2e/Colleague.ts";
import { desktop, openBrowser, Person } from "../e2e/person.ts";
import { Server } from "../e2e/server.ts";
import { quantile, say } from "./say.ts";

const events = Number(process.env["EVENTS"] ?? 2_000);
/** An hour of a busy ward: a message every second, played this many a second. */
const hour = 3_600;
const pace = Number(process.env["PACE"] ?? 50);

let server: Server;
let browser: Browser;
let reader: Person;
/** Several, since one alone may not write so fast. */
let writers: readonly Colleague[];
let room: string;
let cdp: CDPSession;

beforeAll(async () => {
  [server, browser] = await Promise.all([Server.start(), openBrowser("--js-flags=--expose-gc")]);
  const people = await server.people();
  const [me, ...others] = people;
  if (me === undefined) throw new Error("nobody there");
  reader = await Person.at(browser, server.address, desktop);
  await reader.signIn(me.name);
  writers = await Promise.all(others.slice(0, 4).map(({ user }) => server.colleague(user)));
  const [first, ...more] = writers;
  if (first === undefined) throw new Error("nobody else there");
  room = await first.room({ name: "Bench", preset: "private_chat", invite: [me.user, ...more.map(({ user }) => user)] });
  for (const one of more) await one.join(room);
  const { page } = reader;
  await page.getByRole("button", { name: "Accept" }).click();
  await page.getByRole("link", { name: /^Bench/ }).click();
  await page.getByRole("heading", { name: "Bench" }).waitFor();
  cdp = await page.context().newCDPSession(page);
}, 120_000);

afterAll(async () => {
  await browser.close();
  await server.stop();
});

it("scrolls back", async () => {
  await write(events, "Line", Number.POSITIVE_INFINITY);
  const { page } = reader;
  await reader.sees(`Line ${String(events)}`);
  await page.waitForTimeout(1_000);
  await page.evaluate(() => {
    const shifts = { sum: 0 };
    Object.assign(globalThis, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number })[]) shifts.sum += entry.value;
    }).observe({ type: "layout-shift", buffered: false });
  });
  const box = await page.getByRole("log").boundingBox();
  await page.mouse.move((box?.x ?? 0) + 200, (box?.y ?? 0) + 200);
  const start = page.getByText("This is the beginning of the conversation.");
  const before = performance.now();
  while ((await start.count()) === 0) await page.mouse.wheel(0, -500);
  const took = performance.now() - before;
  const sum = await page.evaluate(() => (globalThis as unknown as { shifts: { sum: number } }).shifts.sum);
  say(sum, 0.05, "", `layout shift while scrolling back through ${String(events)} events, all of it added up`);
  process.stdout.write(`     ${(took / 1000).toFixed(1)} s from the newest to the first, ${String(await page.getByRole("article").count())} messages drawn\n`);
});

it("shows keys while others write", async () => {
  const { page } = reader;
  const newest = page.getByRole("button", { name: /Go to the newest/i });
  while ((await newest.count()) > 0) await newest.click().then(() => page.waitForTimeout(1_000)); // the wheel may turn on for a while
  const field = page.getByRole("textbox", { name: "Message" });
  await field.click();
  await page.evaluate(() => {
    const keys: number[] = [];
    Object.assign(globalThis, { keys });
    // From the key to the frame that shows it: a task after the frame's own callbacks comes when it is painted.
    addEventListener("keydown", ({ timeStamp }) => {
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => keys.push(performance.now() - timeStamp);
        port2.postMessage(0);
      });
    });
  });
  const writing = write(10 * pace, "Traffic", pace);
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press("abcdefgh "[i % 9] === " " ? "Space" : ("abcdefgh"[i % 8] ?? "a"));
    await page.waitForTimeout(110);
  }
  const sent = await writing;
  const keys = await page.evaluate(() => (globalThis as unknown as { keys: number[] }).keys);
  process.stdout.write(`     ${sent.toFixed(0)} messages a second came, ${String(keys.length)} keys\n`);
  say(quantile(keys, 0.5), 50, "ms", "keystroke to paint, half of all");
  say(quantile(keys, 0.95), 50, "ms", "keystroke to paint, 95 of 100");
  say(quantile(keys, 1), 50, "ms", "keystroke to paint, the longest");
  await field.fill("");
  expect(keys.length).toBe(80);
});

it("keeps its memory", async () => {
  const steps = 6;
  const heaps: number[] = [];
  for (let step = 0; step <= steps; step++) {
    if (step > 0) await write(hour / steps, "Traffic", pace);
    heaps.push(await heap(reader.page));
    process.stdout.write(`     after ${String((step * 60) / steps)} minutes of traffic: ${(heaps.at(-1) ?? 0).toFixed(1)} MiB\n`);
  }
  const [first = 0] = heaps.slice(1);
  const slope = ((heaps.at(-1) ?? 0) - first) / ((steps - 1) / steps);
  say(slope, 2, "MiB/h", `growth of the heap after the first ten minutes (${String(hour)} messages)`);
});

/** Has the colleagues write numbered lines, at most so many a second, and answers with how many a second it became. */
async function write(count: number, word: string, most: number): Promise<number> {
  const begin = performance.now();
  let next = 1;
  await Promise.all(
    writers.map(async (writer) => {
      for (let i = next++; i <= count; i = next++) {
        const early = (i / most) * 1_000 - (performance.now() - begin);
        if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
        await said(writer, `${word} ${String(i)}`);
      }
    }),
  );
  return (count / (performance.now() - begin)) * 1_000;
}

/** Said once the server does not find it too much. */
async function said(writer: Colleague, text: string): Promise<void> {
  for (;;) {
    try {
      await writer.say(room, text);
      return;
    } catch (fault) {
      if (!String(fault).includes("M_LIMIT_EXCEEDED")) throw fault;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** What the page's heap holds once everything that can go has gone, in MiB. */
async function heap(page: Page): Promise<number> {
  await page.waitForTimeout(1_500); // what has come is drawn
  for (let i = 0; i < 3; i++) await cdp.send("HeapProfiler.collectGarbage");
  const { usedSize } = await cdp.send("Runtime.getHeapUsage");
  return usedSize / 2 ** 20;
}
