import { MatrixEventEvent, Method, RoomEvent, type MatrixClient, type MatrixEvent, type Room } from "matrix-js-sdk";

import type { RoomId, UserId } from "../store/model.ts";
import { bodyOf } from "./events.ts";
import { number, record, string } from "./json.ts";
import { toRefusal } from "./refusal.ts";

/**
 * The type of receipts, and of the events that tell of them, that say what has reached a device of somebody and can be
 * shown there. They are no part of the specification: in its m.receipt they would count as reading.
 */
export const deliveredType = "org.myelin.delivered";

/** The newest message that has reached somebody. */
export interface DeliveredMark {
  readonly event: string;
  readonly at: number;
}

type Marks = ReadonlyMap<UserId, DeliveredMark>;

const nothing: Marks = new Map();

/** What has reached whom, by room, as the server has told. */
export class DeliveredMarks {
  readonly #rooms = new Map<RoomId, Map<UserId, DeliveredMark>>();
  readonly #listeners = new Set<(room: RoomId) => void>();

  in(room: RoomId): Marks {
    return this.#rooms.get(room) ?? nothing;
  }

  /** Takes over what an answer of the server says about a room, or what was kept of it. */
  take(room: RoomId, content: unknown): void {
    const marks = this.#rooms.get(room) ?? new Map<UserId, DeliveredMark>();
    for (const [user, mark] of Object.entries(record(content))) {
      const event = string(record(mark)["event_id"]);
      if (event !== undefined) marks.set(user, { event, at: number(record(mark)["ts"]) ?? 0 });
    }
    this.#rooms.set(room, marks);
    for (const listener of this.#listeners) listener(room);
  }

  /** The content that `take` would need; undefined when nothing is known. */
  content(room: RoomId): Readonly<Record<UserId, unknown>> | undefined {
    const marks = this.#rooms.get(room);
    return marks === undefined ? undefined : Object.fromEntries([...marks].map(([user, { event, at }]) => [user, { event_id: event, ts: at }]));
  }

  onChange(listener: (room: RoomId) => void): void {
    this.#listeners.add(listener);
  }
}

/** Whoever reads at once need not say that it came. */
const pause = 1_500;
/** In so many rooms at a time: after a night offline there is something new in all of them, for everybody on the ward. */
const atOnce = 5;
/** The longest pause while the server is away. */
const longest = 60_000;

/** Tells the senders what has reached this device and can be shown: in each room the newest message, a little after it came. */
export class DeliveryTeller {
  readonly #client: MatrixClient;
  readonly #marks: DeliveredMarks;
  readonly #due = new Map<Room, MatrixEvent>();
  /** When the message was sent up to which this device has told. */
  readonly #upTo = new WeakMap<Room, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wait = pause;
  #able: boolean | undefined;
  #stopped = false;

  constructor(client: MatrixClient, marks: DeliveredMarks) {
    this.#client = client;
    this.#marks = marks;
    client.on(RoomEvent.Timeline, (event, room, toStart) => {
      if (room !== undefined && toStart !== true) this.#arrived(event, room);
    });
    client.on(MatrixEventEvent.Decrypted, (event) => {
      const room = client.getRoom(event.getRoomId());
      if (room !== null) this.#arrived(event, room);
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#due.clear();
  }

  #arrived(event: MatrixEvent, room: Room): void {
    if (event.status !== null || event.isState() || event.getSender() === this.#client.getUserId()) return;
    const body = bodyOf(event)?.kind;
    if (body === undefined || body === "waiting" || body === "removed") return;
    if (event.getTs() <= Math.max(this.#told(room), this.#due.get(room)?.getTs() ?? 0)) return;
    this.#due.set(room, event);
    this.#later();
  }

  /** When the message was sent up to which this person has told, as far as that one is known. The server only goes on from it. */
  #told(room: Room): number {
    const mark = this.#marks.in(room.roomId).get(this.#client.getSafeUserId());
    const known = mark === undefined ? undefined : room.findEventById(mark.event)?.getTs();
    return Math.max(known ?? 0, this.#upTo.get(room) ?? 0);
  }

  #later(): void {
    if (!this.#stopped && this.#due.size > 0) this.#timer ??= setTimeout(() => void this.#tell(), this.#wait);
  }

  async #tell(): Promise<void> {
    try {
      this.#able ??= await this.#client.doesServerSupportUnstableFeature(deliveredType);
      if (!this.#able) this.#due.clear();
      for (const [room, event] of [...this.#due].slice(0, atOnce)) {
        await this.#tellOne(room, event);
        this.#upTo.set(room, event.getTs());
        if (this.#due.get(room) === event) this.#due.delete(room);
      }
      this.#wait = pause;
    } catch (fault) {
      this.#wait = Math.min(Math.max(2 * this.#wait, toRefusal(fault).wait ?? 0), longest);
    }
    this.#timer = undefined;
    this.#later();
  }

  /** Rejected when it is worth another try. */
  async #tellOne(room: Room, event: MatrixEvent): Promise<void> {
    const id = event.getId() ?? "";
    if (room.getMyMembership() !== "join" || room.hasUserReadEvent(this.#client.getSafeUserId(), id)) return;
    const path = `/rooms/${encodeURIComponent(room.roomId)}/receipt/${deliveredType}/${encodeURIComponent(id)}`;
    try {
      await this.#client.http.authedRequest(Method.Post, path, undefined, {});
    } catch (fault) {
      const { reason } = toRefusal(fault);
      if (reason === "unreachable" || reason === "limited") throw fault;
      // The room or the message is gone, or the server does not want to know.
    }
  }
}
