import { beforeEach, expect, it } from "vitest";

import { Idle } from "./idle.ts";

const minute = 60_000;
let now: number;
let timers: { at: number; then: () => void }[];
let said: string[];

function watch(): Idle {
  return new Idle({
    limit: 15 * minute,
    now: () => now,
    later: (ms, then) => {
      const timer = { at: now + ms, then };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    onIdle: () => said.push("idle"),
    onActive: () => said.push("active"),
  });
}

/** Lets time pass; timers run when they are due. */
function pass(ms: number): void {
  const until = now + ms;
  for (;;) {
    const next = timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
    if (next === undefined) break;
    timers = timers.filter((one) => one !== next);
    now = next.at;
    next.then();
  }
  now = until;
}

beforeEach(() => {
  now = 0;
  timers = [];
  said = [];
});

it("says once that nobody is there, fifteen minutes after the last touch", () => {
  const idle = watch();
  pass(10 * minute);
  idle.touched();
  pass(14 * minute);
  expect(said).toEqual(["active"]);
  pass(minute);
  expect(said).toEqual(["active", "idle"]);
  pass(60 * minute);
  expect(said).toEqual(["active", "idle"]);
});

it("counts touches in other tabs", () => {
  const idle = watch();
  pass(10 * minute);
  idle.heard();
  pass(10 * minute);
  expect(said).toEqual([]);
  pass(5 * minute);
  expect(said).toEqual(["idle"]);
});

it("tells of touches at most every ten seconds", () => {
  const idle = watch();
  for (let i = 0; i < 25; i++) {
    idle.touched();
    now += 1_000;
  }
  expect(said).toEqual(["active", "active", "active"]);
});

it("does not take the touch that wakes a sleeping device for its owner's", () => {
  const idle = watch();
  now += 60 * minute; // no timer ran
  idle.touched();
  expect(said).toEqual(["idle"]);
});
