import { ClientEvent, Direction, EventTimeline, M_POLL_START, MatrixEventEvent, RelationType, RoomEvent, SyncState, type MatrixClient, type MatrixEvent, type Room } from "matrix-js-sdk";
import { CryptoEvent } from "matrix-js-sdk/lib/crypto-api";

import type { MessageBody, RoomId } from "../store/model.ts";
import { plainText } from "../store/plain.ts";
import { bodyOf, expiresAt, messageBody } from "./events.ts";
import { number, record, string } from "./json.ts";
import type { Edit, Entry, RoomChange, Stretch, WordIndex } from "./wordindex.ts";

/** An event to be read; `again`: even if it is known. */
interface Waiting {
  readonly event: MatrixEvent;
  readonly again: boolean;
}

const batchSize = 40;
/** No event is longer. */
const longest = 65_536;
const pageSize = 100;
/** A gap of so many pages is closed without being asked. */
const mostPages = 10;
const longestTimer = 2 ** 31 - 1;

/**
 * Keeps the index in step with what this device can read of encrypted rooms: whatever the SDK syncs, loads or decrypts is
 * taken in when the browser has nothing better to do.
 */
export class Indexer {
  readonly #client: MatrixClient;
  readonly #index: WordIndex;
  readonly #onChange: () => void;
  readonly #queue = new Map<string, Waiting>();
  readonly #reading = new Set<string>();
  /** What the server sent of each room without being asked for more. */
  readonly #synced = new Map<RoomId, Stretch>();
  /** How far back somebody has looked in a room. */
  readonly #seen = new Map<RoomId, number>();
  #working = false;
  #stopped = false;
  #swept = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: MatrixClient, index: WordIndex, onChange: () => void) {
    this.#client = client;
    this.#index = index;
    this.#onChange = onChange;
    this.#listen();
    void this.#expire();
  }

  stop(): void {
    this.#stopped = true;
    this.#queue.clear();
    clearTimeout(this.#timer);
  }

  /** The encrypted rooms of this account, as they are searched here. */
  rooms(): Room[] {
    return this.#client.getRooms().filter((room) => room.getMyMembership() === "join" && room.hasEncryptionStateEvent() && !room.isSpaceRoom());
  }

  /** What the server sent of a room, before anything of it is in the index. */
  synced(room: RoomId): Stretch | undefined {
    return this.#synced.get(room);
  }

  /** Takes in one more page of a room's history; the answer is how many messages it had. */
  async goBack(room: Room): Promise<number> {
    const first = (await this.#index.rooms()).get(room.roomId)?.[0] ?? this.#synced.get(room.roomId);
    if (first?.from === undefined) return 0;
    const { chunk, end } = await this.#client.createMessagesRequest(room.roomId, first.from, pageSize, Direction.Backward);
    const mapper = this.#client.getEventMapper({ decrypt: false });
    const events = chunk.map((event) => mapper({ ...event, room_id: room.roomId }));
    const oldest = Math.min(first.since, ...events.map((event) => event.getTs()));
    const fresh = await this.#fresh(room.roomId, events.filter(isReadable).map((event) => ({ event, again: false })));
    await this.#take(room, fresh, (now) => {
      const at = now.findIndex(({ from }) => from === first.from);
      if (at < 0 && now.length > 0) return now; // it has moved on meanwhile
      const page: Stretch = { since: oldest, until: now[at]?.until ?? first.until, from: events.length === 0 || begins(events) ? undefined : end };
      return [...now.slice(0, Math.max(at, 0)), ...joined(page, now.slice(at + 1))];
    });
    return events.length;
  }

  #listen(): void {
    const client = this.#client;
    // What comes with a sync, threads with it, is told by this one; what is loaded by the next.
    client.on(ClientEvent.Event, (event) => {
      const room = client.getRoom(event.getRoomId());
      if (room === null) return;
      this.#sync(room);
      this.#add(event);
      if (event.getType() === "m.room.encryption") for (const one of room.getLiveTimeline().getEvents()) this.#add(one);
    });
    client.on(RoomEvent.Timeline, (event, room, toStart, _removed, data) => {
      this.#add(event);
      if (toStart !== true || room === undefined || data.timeline !== room.getLiveTimeline()) return;
      this.#seen.set(room.roomId, Math.min(this.#seen.get(room.roomId) ?? Infinity, event.getTs()));
    });
    client.on(MatrixEventEvent.Decrypted, (event) => {
      this.#add(event);
    });
    client.on(MatrixEventEvent.Replaced, (event) => {
      this.#add(event, true);
    });
    client.on(RoomEvent.TimelineReset, (room, set) => {
      if (room !== undefined && set === room.getUnfilteredTimelineSet()) this.#synced.delete(room.roomId);
    });
    client.on(RoomEvent.MyMembership, (room, membership) => {
      if (membership !== "join" && membership !== "invite") quietly(this.#leave(room.roomId));
    });
    client.on(ClientEvent.DeleteRoom, (room) => {
      quietly(this.#leave(room));
    });
    client.on(ClientEvent.Sync, (state, _before, data) => {
      if ((state === SyncState.Prepared || state === SyncState.Syncing) && data?.fromCache !== true && !this.#swept) {
        this.#swept = true;
        quietly(this.#sweep());
      }
    });
    // The keys of older messages are here: what could not be read is read again.
    client.on(CryptoEvent.KeyBackupDecryptionKeyCached, () => {
      quietly(this.#readAgain());
    });
  }

  /** Remembers what a sync brought of a room, as long as it is only that. */
  #sync(room: Room): void {
    if (this.#synced.has(room.roomId) || !room.hasEncryptionStateEvent()) return;
    const timeline = room.getLiveTimeline();
    const events = timeline.getEvents();
    const since = events[0]?.getTs();
    if (since === undefined) return;
    this.#synced.set(room.roomId, { since, until: newestOf(events), from: begins(events) ? undefined : (timeline.getPaginationToken(EventTimeline.BACKWARDS) ?? undefined) });
  }

  #add(event: MatrixEvent, again = false): void {
    const id = event.getId();
    if (this.#stopped || id === undefined || event.status !== null || !isReadable(event) || event.isDecryptionFailure() || this.#reading.has(id)) return;
    if (this.#client.getRoom(event.getRoomId())?.hasEncryptionStateEvent() !== true) return;
    this.#queue.set(id, { event, again: again || this.#queue.get(id)?.again === true });
    if (!this.#working) void this.#work();
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      while (this.#queue.size > 0) {
        await idle();
        const batch = [...this.#queue].slice(0, batchSize);
        for (const [id] of batch) this.#queue.delete(id);
        for (const [id, some] of Map.groupBy(batch.map(([, one]) => one), ({ event }) => event.getRoomId() ?? "")) await this.#takeQueued(id, some);
      }
      await this.#closeGaps();
    } catch {
      // What could not be read or written now is taken in when it is seen again.
    } finally {
      this.#working = false;
    }
    if (this.#queue.size > 0) void this.#work();
    void this.#expire();
  }

  /** Those that say something new; the others need not be decrypted. */
  async #fresh(room: RoomId, some: readonly Waiting[]): Promise<MatrixEvent[]> {
    const places = some.map(({ event, again }) => ({ event, again, id: event.getId() ?? "", at: event.getTs() }));
    const unknown = new Set(await this.#index.unknown(room, places));
    return places.filter((one) => one.again || unknown.has(one) || one.event.isRedacted()).map(({ event }) => event);
  }

  async #takeQueued(id: RoomId, some: readonly Waiting[]): Promise<void> {
    const room = this.#client.getRoom(id);
    if (room?.getMyMembership() !== "join") return;
    const events = await this.#fresh(id, some);
    const whole = [...this.#queue.values()].every(({ event }) => event.getRoomId() !== id);
    await this.#take(room, events, (now) => {
      const synced = whole ? this.#synced.get(id) : undefined; // else there is more of it to come
      return synced === undefined ? now : joined({ ...synced, until: Math.max(synced.until, newestOf(room.getLiveTimeline().getEvents())) }, now);
    });
  }

  async #take(room: Room, events: readonly MatrixEvent[], stretches: NonNullable<RoomChange["stretches"]>): Promise<void> {
    const add: Entry[] = [];
    const edit: Edit[] = [];
    const remove: string[] = [];
    for (const event of events) {
      const id = event.getId() ?? "";
      this.#reading.add(id);
      try {
        const read = await this.#read(event);
        if (read === undefined) continue;
        if ("remove" in read) remove.push(read.remove);
        else if ("at" in read) add.push(read);
        else edit.push(read);
      } finally {
        this.#reading.delete(id);
      }
    }
    if (this.#stopped || room.getMyMembership() !== "join") return;
    await this.#index.change(room.roomId, { add, edit, remove, stretches });
    this.#onChange();
  }

  /** What an event means for the index. */
  async #read(event: MatrixEvent): Promise<Entry | Edit | { readonly remove: string } | undefined> {
    const id = event.getId() ?? "";
    const sender = event.getSender() ?? "";
    if (event.getType() === "m.room.redaction") return removing(string(event.event.redacts) ?? string(event.getContent()["redacts"]));
    if (event.isRedacted()) return removing(id);
    await this.#client.decryptEventIfNeeded(event);
    if (event.isRelation(RelationType.Replace)) {
      const target = event.getRelation()?.event_id;
      const text = textOf(messageBody(record(event.getContent()["m.new_content"])));
      return target === undefined || event.isDecryptionFailure() ? undefined : { id: target, sender, text, edited: { by: id, at: event.getTs() } };
    }
    const replacing = event.replacingEvent();
    if (replacing !== null) await this.#client.decryptEventIfNeeded(replacing);
    const body = bodyOf(event);
    const text = body === undefined ? "" : textOf(body);
    if (text === "") return undefined;
    const thread = event.threadRootId;
    const expires = number(event.getOriginalContent()[expiresAt]);
    return {
      id,
      at: event.getTs(),
      sender,
      text,
      ...(thread === undefined || thread === id ? {} : { thread }),
      ...(expires === undefined ? {} : { expires }),
      ...(replacing === null ? {} : { edited: { by: replacing.getId() ?? "", at: replacing.getTs() } }),
    };
  }

  /** While the device was away more happened than a sync tells, or somebody scrolls up: what lies between is loaded. */
  async #closeGaps(): Promise<void> {
    for (const [id, [first, next]] of await this.#index.rooms()) {
      const room = this.#client.getRoom(id);
      if (first === undefined || room?.getMyMembership() !== "join") continue;
      const goal = Math.min(next?.until ?? Infinity, this.#seen.get(id) ?? Infinity);
      let since = first.since;
      for (let page = 0; page < mostPages && since > goal && !this.#stopped && !(await this.#index.full()); page++) {
        await idle();
        if ((await this.goBack(room)) === 0) break;
        since = (await this.#index.rooms()).get(id)?.[0]?.since ?? -Infinity;
      }
      this.#seen.delete(id);
    }
  }

  /** Takes out rooms that were left while this device was away. */
  async #sweep(): Promise<void> {
    for (const room of (await this.#index.rooms()).keys()) if (this.#client.getRoom(room)?.getMyMembership() !== "join") await this.#leave(room);
  }

  async #leave(room: RoomId): Promise<void> {
    this.#synced.delete(room);
    for (const [id, { event }] of this.#queue) if (event.getRoomId() === room) this.#queue.delete(id);
    if (this.#stopped || !(await this.#index.rooms()).has(room)) return;
    await this.#index.removeRoom(room);
    this.#onChange();
  }

  async #readAgain(): Promise<void> {
    for (const room of this.rooms()) {
      const synced = this.#synced.get(room.roomId);
      await this.#index.change(room.roomId, { stretches: () => (synced === undefined ? [] : [synced]) });
      for (const event of room.getLiveTimeline().getEvents()) this.#add(event);
    }
    this.#onChange();
  }

  async #expire(): Promise<void> {
    clearTimeout(this.#timer);
    const next = await this.#index.expire(Date.now()).catch(() => undefined);
    if (next === undefined || this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#expire(), Math.min(Math.max(next - Date.now(), 0), longestTimer));
  }
}

/** A stretch and those before it, as one where they touch. */
export function joined(newest: Stretch, older: readonly Stretch[]): readonly Stretch[] {
  let first = newest;
  let rest = older;
  for (let next = rest[0]; next !== undefined && first.since <= next.until; next = rest[0]) {
    const begins = next.since < first.since ? next : first;
    first = { since: begins.since, until: Math.max(first.until, next.until), from: begins.from };
    rest = rest.slice(1);
  }
  return [first, ...rest];
}

/** What a message is found by. */
export function textOf(body: MessageBody): string {
  switch (body.kind) {
    case "text":
      return plainText(body.text, body.html, longest);
    case "poll":
      return body.poll.question;
    case "place":
      return body.name;
    case "waiting":
    case "removed":
      return "";
    default:
      return `${body.caption} ${body.kind === "voice" ? "" : body.name}`.trim();
  }
}

function isReadable(event: MatrixEvent): boolean {
  if (event.isState()) return false;
  const type = event.getType();
  return type === "m.room.message" || type === "m.room.encrypted" || type === "m.room.redaction" || M_POLL_START.matches(type);
}

function removing(id: string | undefined): { readonly remove: string } | undefined {
  return id === undefined ? undefined : { remove: id };
}

/** Is the beginning of the room among them? */
function begins(events: readonly MatrixEvent[]): boolean {
  return events.some((event) => event.getType() === "m.room.create");
}

function newestOf(events: readonly MatrixEvent[]): number {
  return events.reduce((newest, event) => Math.max(newest, event.getTs()), 0);
}

/** What does not work now is done again at the next start. */
function quietly(act: Promise<void>): void {
  act.catch(() => undefined);
}

/** When the browser has nothing better to do, or at least after a while. Safari knows no idle time. */
function idle(): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      resolve();
    };
    if ("requestIdleCallback" in globalThis) requestIdleCallback(go, { timeout: 1_000 });
    else setTimeout(go, 100);
  });
}
