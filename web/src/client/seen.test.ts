import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect, it } from "vitest";

import { Store } from "../store/Store.ts";
import { sectionsOf } from "../store/inbox.ts";
import type { MessageItem } from "../store/model.ts";
import { ben, roomOf, timelineOf } from "../testing/app.ts";
import { Seen } from "./seen.ts";
import { Vault } from "./vault.ts";

let vault: Vault;
let seen: Seen;
beforeEach(async () => {
  vault = await Vault.open(new IDBFactory());
  seen = new Seen(vault);
});

const message = (id: string): MessageItem => ({ kind: "message", id, at: 1, sender: ben, own: false, edited: false, body: { kind: "text", text: id }, txn: undefined });

it("keeps the newest part of a conversation, and nothing while somebody is further up", async () => {
  const many = Array.from({ length: 50 }, (_, i) => message(String(i)));
  const store = new Store(timelineOf("!r", { items: many, typing: [ben], history: "failed" }));
  seen.keepTimeline(store);
  await seen.flush();
  const kept = await seen.timeline("!r");
  expect([kept?.items.length, kept?.items.at(-1)?.id, kept?.typing, kept?.history]).toEqual([40, "49", [], "more"]);
  store.set(timelineOf("!r", { items: [message("old")], newer: "more" }));
  seen.keepTimeline(store);
  await seen.flush();
  expect((await seen.timeline("!r"))?.items.at(-1)?.id).toBe("49");
});

it("reads a conversation that a version of the app has kept which knew less of it", async () => {
  const whole = timelineOf("!r", { items: [message("a")] });
  for (const field of Object.keys(whole).filter((name) => name !== "items")) {
    await vault.write("seen/timeline/!r", { ...whole, [field]: undefined });
    const kept = await seen.timeline("!r");
    expect(kept?.items, `without ${field}`).toEqual(JSON.parse(JSON.stringify(whole.items)));
    for (const list of [kept?.marks, kept?.delivered, kept?.typing, kept?.others, kept?.pinned]) expect(list, `without ${field}`).toEqual([]);
  }
  await vault.write("seen/timeline/!r", { ...whole, powers: { pin: true } });
  expect((await seen.timeline("!r"))?.powers).toEqual({ pin: true, remove: false, expiry: false, mentionRoom: false });
});

it("leaves out what it cannot show", async () => {
  await vault.write("seen/timeline/!r", { room: "!r", items: [message("a"), { kind: "message", id: "b" }, { kind: "note", id: "c" }, null, { kind: "song", id: "d" }] });
  expect((await seen.timeline("!r"))?.items.map(({ id }) => id)).toEqual(["a"]);
  for (const nonsense of [{}, [], "x", null]) {
    await vault.write("seen/timeline/!r", nonsense);
    await vault.write("seen/me", nonsense);
    expect([await seen.timeline("!r"), await seen.me()]).toEqual([undefined, undefined]);
  }
});

it("reads a list of rooms that says less of them", async () => {
  await vault.write("seen/rooms", [{ ...roomOf("!r"), notify: undefined, mentions: undefined, last: undefined }, { name: "nowhere" }, null]);
  const rooms = await seen.rooms();
  expect(rooms).toMatchObject([{ id: "!r", notify: "all", mentions: 0, last: { kind: "none" } }]);
  expect(sectionsOf(rooms ?? [], undefined)).toHaveLength(1);
});
