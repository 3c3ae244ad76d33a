import { MatrixClient, MemoryStore, PendingEventOrdering, Room } from "matrix-js-sdk";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { OutboxEntry } from "../store/model.ts";
import { Delivery, soonSent } from "./delivery.ts";

const me = "@anna:demo.example";

let asked: string[];
let answers: (() => Promise<Response>)[];
let delivery: Delivery;
let client: MatrixClient;
beforeEach(() => {
  asked = [];
  answers = [];
  const fetchFn = (resource: URL | RequestInfo): Promise<Response> => {
    asked.push((resource instanceof Request ? resource.url : resource.toString()).split("/").at(-1) ?? "");
    return answers.shift()?.() ?? Promise.resolve(Response.json({ event_id: `$${String(asked.length)}` }));
  };
  client = new MatrixClient({ baseUrl: "http://demo.example", userId: me, deviceId: "D", accessToken: "t", fetchFn, store: new MemoryStore() });
  client.store.storeRoom(new Room("!a", client, me, { pendingEventOrdering: PendingEventOrdering.Detached }));
  delivery = new Delivery(client);
});
afterEach(() => {
  client.stopClient();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

function entry(txn: string): OutboxEntry {
  return { txn, room: "!a", at: 0, content: { kind: "text", text: txn }, state: "waiting", event: undefined };
}

it.each([
  ["was given up", () => Promise.reject(new DOMException("", "AbortError"))],
  ["does not come", () => Promise.reject(new TypeError("failed to fetch"))],
  ["is broken", () => Promise.resolve(new Response("{", { headers: { "Content-Type": "application/json" } }))],
])("counts a message whose answer %s as neither sent nor refused, and asks again with the same transaction", async (_, answer) => {
  answers.push(answer);
  await expect(delivery.deliver(entry("t1"))).rejects.toMatchObject({ reason: "unreachable" });
  expect(await delivery.deliver(entry("t1"))).toBe("$2");
  expect(asked).toEqual(["t1", "t1"]);
});

it("says what the server has refused", async () => {
  answers.push(() => Promise.resolve(Response.json({ errcode: "M_FORBIDDEN" }, { status: 403 })));
  await expect(delivery.deliver(entry("t1"))).rejects.toMatchObject({ reason: "forbidden" });
});

it("sends other messages of the room while one waits to be sent again", async () => {
  answers.push(() => Promise.reject(new TypeError("failed to fetch")));
  await expect(delivery.deliver(entry("t1"))).rejects.toMatchObject({ reason: "unreachable" });
  expect(await delivery.deliver(entry("t2"))).toBe("$2");
  expect(await delivery.deliver(entry("t1"))).toBe("$3");
});

it("gives the sending of a message less time than other requests", async () => {
  const soon = new AbortController();
  const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(soon.signal);
  const signals: (AbortSignal | null | undefined)[] = [];
  vi.stubGlobal("fetch", (_: string, init: RequestInit) => {
    signals.push(init.signal);
    return Promise.resolve(new Response());
  });
  const own = new AbortController();
  const base = "http://demo.example/_matrix";
  await soonSent(new URL(`${base}/client/v3/rooms/!a/send/m.room.message/t1`), { method: "PUT", signal: own.signal });
  await soonSent(`${base}/client/v3/sendToDevice/m.x/t1`, { method: "PUT", signal: own.signal });
  await soonSent(`${base}/media/v3/upload`, { method: "POST", signal: own.signal });
  expect(timeout).toHaveBeenCalledTimes(1);
  soon.abort();
  expect(signals.map((signal) => signal?.aborted)).toEqual([true, false, false]);
});
