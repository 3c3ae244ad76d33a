import { describe, expect, it } from "vitest";

import { needsOf, withNeed } from "./powers.ts";

describe("power levels", () => {
  it("hold what the specification says when the room says nothing", () => {
    expect(needsOf({})).toMatchObject({ write: 0, invite: 0, remove: 50, ban: 50, redact: 50, announce: 50, name: 50, roles: 50 });
    expect(needsOf({ state_default: 0, events: { "m.room.power_levels": 100, "m.room.topic": "100" }, kick: 30 })).toMatchObject({ remove: 30, topic: 0, roles: 100 });
  });

  it("change in one place and keep the rest", () => {
    const before = { users: { "@a:b": 100 }, events: { "m.room.name": 50, own: 1 } };
    expect(withNeed(before, "name", 0)).toEqual({ users: { "@a:b": 100 }, events: { "m.room.name": 0, own: 1 } });
    expect(withNeed(before, "invite", 50)).toEqual({ ...before, invite: 50 });
    expect(withNeed(before, "announce", 100)).toEqual({ ...before, notifications: { room: 100 } });
  });
});
