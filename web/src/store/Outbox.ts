import { Refusal } from "./Homeserver.ts";
import { Store, type Readable } from "./Store.ts";
import type { OutboxContent, OutboxEntry, RoomId } from "./model.ts";

/** Where waiting messages survive a reload, sealed. */
export interface OutboxShelf {
  /** Everything kept, oldest first. */
  load(): Promise<readonly OutboxEntry[]>;
  put(entry: OutboxEntry): Promise<void>;
  remove(txn: string): Promise<void>;
}

/** Sends one message and answers with the server's event id; sending a transaction again yields the same id. */
export type Deliver = (entry: OutboxEntry) => Promise<string>;

export interface OutboxOptions {
  readonly shelf: OutboxShelf;
  readonly deliver: Deliver;
  /** Does the room's timeline hold this event now? */
  readonly there: (room: RoomId, event: string) => boolean;
  readonly now: () => number;
  readonly newTxn: () => string;
  /** Calls back after so many milliseconds; the answer cancels it. */
  readonly later: (ms: number, then: () => void) => () => void;
}

const firstPause = 1_000;
const longestPause = 30_000;

/**
 * Messages on their way to the server: kept before they are shown, sent one after the other in each room, again and
 * again until the server has answered. Only the server's acknowledgement makes one "sent"; it leaves the outbox when
 * it has been seen in the timeline.
 */
export class Outbox implements Readable<readonly OutboxEntry[]> {
  readonly #options: OutboxOptions;
  readonly #entries = new Store<readonly OutboxEntry[]>([]);
  readonly #busy = new Set<RoomId>();
  readonly #pauses = new Map<RoomId, () => void>();
  #open = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get snapshot(): readonly OutboxEntry[] {
    return this.#entries.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#entries.subscribe(listener);

  /** Takes up what an earlier run left behind and starts sending. */
  async start(): Promise<void> {
    const kept = await this.#options.shelf.load();
    const known = new Set(this.snapshot.map((entry) => entry.txn));
    // What the server acknowledged to an earlier run is in the history by now.
    for (const entry of kept) if (entry.state === "sent") await this.#options.shelf.remove(entry.txn);
    const taken = kept
      .filter((entry) => entry.state !== "sent" && !known.has(entry.txn))
      .map((entry) => (entry.state === "sending" ? { ...entry, state: "waiting" as const } : entry));
    this.#entries.update((now) => [...taken, ...now]);
    this.#open = true;
    this.flush();
  }

  stop(): void {
    this.#open = false;
    for (const cancel of this.#pauses.values()) cancel();
    this.#pauses.clear();
  }

  async enqueue(room: RoomId, content: OutboxContent): Promise<void> {
    const { shelf, now, newTxn } = this.#options;
    const entry: OutboxEntry = { txn: newTxn(), room, at: now(), content, state: "waiting", event: undefined };
    await shelf.put(entry);
    this.#entries.update((entries) => [...entries, entry]);
    void this.#work(room);
  }

  /** The timeline of a room was cut: what was sent is somewhere in its history. */
  async settleRoom(room: RoomId): Promise<void> {
    const done = this.snapshot.filter((entry) => entry.room === room && entry.state === "sent");
    for (const entry of done) await this.#drop(entry.txn);
  }

  /** Sends what waits, at once: the network came back. */
  flush(): void {
    for (const cancel of this.#pauses.values()) cancel();
    this.#pauses.clear();
    for (const room of new Set(this.snapshot.map((entry) => entry.room))) void this.#work(room);
  }

  async retry(txn: string): Promise<void> {
    const entry = this.#find(txn);
    if (entry?.state !== "failed") return;
    // The server refused the first one for good, so a new transaction cannot double it.
    await this.#drop(txn);
    await this.enqueue(entry.room, entry.content);
  }

  /** Forgets a message that was not sent. One that is being sent or was sent stays. */
  async discard(txn: string): Promise<void> {
    const entry = this.#find(txn);
    if (entry === undefined || entry.state === "sending" || entry.state === "sent") return;
    await this.#drop(txn);
  }

  /** Lets go of what the timelines hold by now: the outbox no longer needs to show it. */
  async settle(): Promise<void> {
    const { there } = this.#options;
    const done = this.snapshot.filter((entry) => entry.event !== undefined && there(entry.room, entry.event));
    for (const entry of done) await this.#drop(entry.txn);
  }

  #find(txn: string): OutboxEntry | undefined {
    return this.snapshot.find((entry) => entry.txn === txn);
  }

  async #keep(entry: OutboxEntry): Promise<void> {
    await this.#options.shelf.put(entry);
    this.#entries.update((entries) => entries.map((old) => (old.txn === entry.txn ? entry : old)));
  }

  async #drop(txn: string): Promise<void> {
    await this.#options.shelf.remove(txn);
    this.#entries.update((entries) => entries.filter((entry) => entry.txn !== txn));
  }

  async #work(room: RoomId): Promise<void> {
    if (!this.#open || this.#busy.has(room) || this.#pauses.has(room)) return;
    this.#busy.add(room);
    try {
      let pause = firstPause;
      for (;;) {
        const next = this.snapshot.find((entry) => entry.room === room && entry.state === "waiting");
        if (next === undefined || !this.#open) return;
        const fault = await this.#attempt(next);
        if (fault === undefined) {
          pause = firstPause;
          continue;
        }
        if (fault === "refused") continue;
        await this.#wait(room, fault.wait ?? pause);
        pause = Math.min(pause * 2, longestPause);
      }
    } finally {
      this.#busy.delete(room);
    }
  }

  /** One try. `refused` when the server will never take it, a Refusal when it may later. */
  async #attempt(entry: OutboxEntry): Promise<undefined | "refused" | Refusal> {
    this.#entries.update((entries) => entries.map((old) => (old.txn === entry.txn ? { ...old, state: "sending" } : old)));
    try {
      const event = await this.#options.deliver(entry);
      await this.#keep({ ...entry, state: "sent", event });
      await this.settle(); // the timeline may have been faster than the answer
      return undefined;
    } catch (fault) {
      const refusal = fault instanceof Refusal ? fault : new Refusal("other", String(fault));
      const passing = refusal.reason === "unreachable" || refusal.reason === "limited";
      await this.#keep({ ...entry, state: passing ? "waiting" : "failed" });
      return passing ? refusal : "refused";
    }
  }

  #wait(room: RoomId, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = this.#options.later(ms, () => {
        this.#pauses.delete(room);
        resolve();
      });
      this.#pauses.set(room, () => {
        end();
        resolve();
      });
    });
  }
}
