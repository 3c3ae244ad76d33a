import { ClientEvent, MatrixClient, MatrixEvent, MemoryStore, PendingEventOrdering, Room, SyncState } from "matrix-js-sdk";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { DeliveredMarks } from "./delivered.ts";
import { HospitalRoles } from "./hospitalRoles.ts";
import { TimelineFeed } from "./timeline.ts";

let there: boolean;
let asked: number;
let client: MatrixClient;
let feed: TimelineFeed;

const json = (status: number, body: object): Response => new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
const message = (id: string, at: number): object => ({ type: "m.room.message", event_id: id, sender: "@ben:x", room_id: "!r", origin_server_ts: at, content: { msgtype: "m.text", body: id } });

beforeEach(async () => {
  vi.useFakeTimers();
  [there, asked] = [false, 0];
  const fetchFn = (url: unknown): Promise<Response> => {
    const path = new URL(String(url)).pathname;
    if (path.includes("/context/")) return Promise.resolve(json(200, { event: message("$old", 5), events_before: [], events_after: [], state: [], start: "s", end: "e" }));
    if (!path.endsWith("/messages")) return Promise.resolve(json(404, {}));
    asked++;
    return Promise.resolve(there ? json(200, { chunk: [message(`$${String(asked)}`, 10 + asked)], start: "e", end: `e${String(asked)}` }) : json(503, {}));
  };
  client = new MatrixClient({ baseUrl: "http://here", userId: "@anna:x", fetchFn, timelineSupport: true, store: new MemoryStore() });
  const room = new Room("!r", client, "@anna:x", { pendingEventOrdering: PendingEventOrdering.Detached, timelineSupport: true });
  room.updateMyMembership("join");
  client.store.storeRoom(room);
  await room.addLiveEvents([new MatrixEvent(message("$new", 99))], { addToState: false });
  feed = new TimelineFeed(client, room, { roles: new HospitalRoles(client), delivered: new DeliveredMarks(), onGap: () => undefined });
  await feed.toItem("$old");
});
afterEach(() => {
  vi.useRealTimers();
});

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(10_000);

it.each(["newer", "history"] as const)("says that messages could not be loaded, and asks no more by itself (%s)", async (end) => {
  const load = (): Promise<void> => (end === "newer" ? feed.loadNewer() : feed.loadOlder());
  await load();
  await settle();
  expect([feed.store.snapshot[end], asked]).toEqual(["failed", 1]);
  there = true;
  await load();
  await settle();
  expect([feed.store.snapshot[end], asked]).toEqual(["more", 2]);
});

it("is ready to go on once the server is there again", async () => {
  await Promise.all([feed.loadNewer(), feed.loadOlder()]);
  await settle();
  client.emit(ClientEvent.Sync, SyncState.Syncing, SyncState.Syncing);
  await settle();
  expect([feed.store.snapshot.newer, feed.store.snapshot.history]).toEqual(["failed", "failed"]);
  client.emit(ClientEvent.Sync, SyncState.Syncing, SyncState.Catchup);
  await settle();
  expect([feed.store.snapshot.newer, feed.store.snapshot.history, asked]).toEqual(["more", "more", 2]);
});
