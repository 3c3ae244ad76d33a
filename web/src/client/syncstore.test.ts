import { IDBFactory } from "fake-indexeddb";
import type { ISyncResponse } from "matrix-js-sdk";
import { beforeEach, expect, it } from "vitest";

import { DeliveredMarks } from "./delivered.ts";
import { SealedBackend } from "./syncstore.ts";
import { Vault } from "./vault.ts";

let factory: IDBFactory;
let vault: Vault;
beforeEach(async () => {
  factory = new IDBFactory();
  vault = await Vault.open(factory);
});

function message(body: string): object {
  return { type: "m.room.message", sender: "@ben:demo.example", event_id: `$${body}`, origin_server_ts: 1, content: { msgtype: "m.text", body } };
}

function sync(next_batch: string, rooms: Record<string, string>, leave: readonly string[] = []): ISyncResponse {
  const room = (body: string): object => ({
    summary: {},
    state: { events: [] },
    timeline: { events: [message(body)], prev_batch: "p", limited: false },
    ephemeral: { events: [] },
    account_data: { events: [] },
    unread_notifications: {},
  });
  const join = Object.fromEntries(Object.entries(rooms).map(([id, body]) => [id, room(body)]));
  const left = Object.fromEntries(leave.map((id) => [id, room("gone")]));
  return { next_batch, rooms: { join, invite: {}, leave: left, knock: {} }, account_data: { events: [{ type: "m.direct", content: { a: [next_batch] } }] } } as unknown as ISyncResponse;
}

async function opened(): Promise<SealedBackend> {
  const backend = new SealedBackend(vault);
  await backend.connect();
  return backend;
}

async function bodies(backend: SealedBackend): Promise<Record<string, unknown[]>> {
  const saved = await backend.getSavedSync();
  return Object.fromEntries(
    Object.entries(saved?.roomsData.join ?? {}).map(([id, room]) => [id, room.timeline.events.map((event) => Reflect.get(event.content, "body") as unknown)]),
  );
}

/** Everything the disk holds, as text. */
async function disk(): Promise<string> {
  const texts: string[] = [];
  for (const name of vault.database.objectStoreNames) {
    const store = vault.database.transaction(name).objectStore(name);
    for (const request of [store.getAll(), store.getAllKeys()]) {
      await new Promise<void>((resolve) => {
        request.onsuccess = () => {
          for (const one of request.result as unknown[]) {
            texts.push(typeof one === "object" && one !== null && "data" in one ? new TextDecoder("latin1").decode(one.data as ArrayBuffer) : JSON.stringify(one));
          }
          resolve();
        };
      });
    }
  }
  return texts.join("\n");
}

it("has nothing the first time", async () => {
  const backend = await opened();
  expect(await backend.isNewlyCreated()).toBe(true);
  expect(await backend.getSavedSync()).toBeNull();
});

it("gives back rooms, token and account data after a restart, and shows nothing of them on the disk", async () => {
  const first = await opened();
  await first.setSyncData(sync("s1", { "!ward": "potassium", "!icu": "sodium" }));
  await first.syncToDatabase();
  await first.setSyncData(sync("s2", { "!ward": "calcium" }));
  await first.syncToDatabase();
  const again = await opened();
  expect(await again.isNewlyCreated()).toBe(false);
  expect(await again.getNextBatchToken()).toBe("s2");
  expect(await bodies(again)).toEqual({ "!ward": ["potassium", "calcium"], "!icu": ["sodium"] });
  expect((await again.getSavedSync())?.accountData).toMatchObject([{ content: { a: ["s2"] } }]);
  const kept = await disk();
  for (const word of ["potassium", "sodium", "calcium", "!ward", "@ben", "m.room.message"]) expect(kept).not.toContain(word);
});

it("keeps what has reached whom, which the SDK passes over", async () => {
  const marks = (user: string, event_id: string): object => ({ type: "org.myelin.delivered", content: { [user]: { event_id, ts: 5 } } });
  const told = (token: string, event: object): ISyncResponse => {
    const answer = sync(token, { "!ward": token });
    Reflect.set(answer.rooms.join["!ward"]?.ephemeral ?? {}, "events", [event]);
    return answer;
  };
  const first = await opened();
  await first.setSyncData(told("s1", marks("@ben:demo.example", "$one")));
  await first.setSyncData(told("s2", marks("@chiara:demo.example", "$two")));
  await first.syncToDatabase();
  const delivered = new DeliveredMarks();
  await new SealedBackend(vault, delivered).connect();
  expect(delivered.in("!ward")).toEqual(new Map([["@ben:demo.example", { event: "$one", at: 5 }], ["@chiara:demo.example", { event: "$two", at: 5 }]]));
  expect(await disk()).not.toContain("$one");
});

it("stays with the last whole state when nothing more was written", async () => {
  const first = await opened();
  await first.setSyncData(sync("s1", { "!ward": "one" }));
  await first.syncToDatabase();
  await first.setSyncData(sync("s2", { "!ward": "two" }));
  const again = await opened();
  expect(await again.getNextBatchToken()).toBe("s1");
  expect(await bodies(again)).toEqual({ "!ward": ["one"] });
});

it("forgets rooms that were left, with their members", async () => {
  const first = await opened();
  await first.setSyncData(sync("s1", { "!ward": "one", "!icu": "two" }));
  await first.setOutOfBandMembers("!ward", []);
  await first.syncToDatabase();
  expect(await first.getOutOfBandMembers("!ward")).toEqual([]);
  await first.setSyncData(sync("s2", {}, ["!ward"]));
  await first.syncToDatabase();
  const again = await opened();
  expect(await bodies(again)).toEqual({ "!icu": ["two"] });
  expect(await again.getOutOfBandMembers("!ward")).toBeNull();
});

it("keeps what is on its way to other devices, in order", async () => {
  const first = await opened();
  const batch = (txnId: string): never => ({ txnId, eventType: "m.room.encrypted", batch: [] }) as never;
  await first.saveToDeviceBatches([batch("a"), batch("b")]);
  const again = await opened();
  await again.saveToDeviceBatches([batch("c")]);
  const order: string[] = [];
  for (let next = await again.getOldestToDeviceBatch(); next !== null; next = await again.getOldestToDeviceBatch()) {
    order.push(next.txnId);
    await again.removeToDeviceBatch(next.id);
  }
  expect(order).toEqual(["a", "b", "c"]);
});

it("does not hand out what it goes on writing to", async () => {
  const backend = await opened();
  await backend.setSyncData(sync("s1", { "!ward": "one" }));
  const saved = await backend.getSavedSync();
  if (saved !== null) saved.roomsData.join = {};
  expect(await bodies(backend)).toEqual({ "!ward": ["one"] });
});
