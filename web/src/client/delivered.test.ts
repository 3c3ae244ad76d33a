import { MatrixClient, MatrixEvent, PendingEventOrdering, Room, RoomEvent } from "matrix-js-sdk";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { DeliveredMarks, deliveredType, DeliveryTeller } from "./delivered.ts";

const me = "@anna:x";
let answer: (room: string) => Response;
let told: string[];
let client: MatrixClient;
let marks: DeliveredMarks;
let teller: DeliveryTeller;

const json = (status: number, body: object): Response => new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  answer = () => json(200, {});
  const fetchFn = (url: unknown): Promise<Response> => {
    const path = decodeURIComponent(new URL(String(url)).pathname);
    if (path.endsWith("/versions")) return Promise.resolve(json(200, { versions: ["v1.11"], unstable_features: { [deliveredType]: true } }));
    const [, room = "", event = ""] = /rooms\/(.+)\/receipt\/org\.myelin\.delivered\/(.+)$/.exec(path) ?? [];
    told.push(`${room} ${event}`);
    return Promise.resolve(answer(room));
  };
  client = new MatrixClient({ baseUrl: "http://here", userId: me, fetchFn });
  marks = new DeliveredMarks();
  teller = new DeliveryTeller(client, marks);
});
afterEach(() => {
  teller.stop();
  vi.useRealTimers();
});

function roomOf(id: string): Room {
  const room = new Room(id, client, me, { pendingEventOrdering: PendingEventOrdering.Detached });
  room.updateMyMembership("join");
  client.store.storeRoom(room);
  client.reEmitter.reEmit(room, [RoomEvent.Timeline]);
  return room;
}

async function arrives(room: Room, id: string, at: number): Promise<void> {
  const event = new MatrixEvent({ type: "m.room.message", event_id: id, sender: "@ben:x", room_id: room.roomId, origin_server_ts: at, content: { msgtype: "m.text", body: id } });
  await room.addLiveEvents([event], { addToState: false });
}

it("tells of the newest message of a room, once", async () => {
  const room = roomOf("!r");
  await arrives(room, "$1", 1);
  await arrives(room, "$2", 2);
  await vi.advanceTimersByTimeAsync(60_000);
  await arrives(room, "$late", 1); // from before
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told).toEqual(["!r $2"]);
});

it("tells again what the server could not take, and only the newest of it", async () => {
  const room = roomOf("!r");
  answer = () => json(503, {});
  await arrives(room, "$1", 1);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(told.length).toBeGreaterThan(2);
  expect(told.length).toBeLessThan(20);
  await arrives(room, "$2", 2);
  answer = () => json(200, {});
  told = [];
  await vi.advanceTimersByTimeAsync(600_000);
  expect(told).toEqual(["!r $2"]);
});

it("does not insist when the server refuses, and goes on with the other rooms", async () => {
  const rooms = ["!a", "!b"].map(roomOf);
  answer = (room) => (room === "!a" ? json(403, { errcode: "M_FORBIDDEN" }) : json(200, {}));
  for (const room of rooms) await arrives(room, "$1", 1);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(told).toEqual(["!a $1", "!b $1"]);
});

it("takes its time when something has come in many rooms", async () => {
  for (let i = 0; i < 40; i++) await arrives(roomOf(`!${String(i)}`), "$1", 1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(told.length).toBeLessThan(10);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(new Set(told).size).toBe(40);
});

it("goes by when messages were sent, not by when it told of another", async () => {
  marks.take("!r", { [me]: { event_id: "$unknown", ts: 1_000 } });
  await arrives(roomOf("!r"), "$1", 999);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told).toEqual(["!r $1"]);
});
