import { Refusal } from "./Homeserver.ts";
import { Store, type Readable } from "./Store.ts";
import type { Uploaded } from "./media.ts";
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

export interface UploadHooks {
  /** Hears from 0 to 1 how much is there. */
  readonly onProgress: (part: number) => void;
  readonly signal: AbortSignal;
}

/** Puts the files of a message on the server. Done again it leaves a second copy there, which nobody is told of. */
export type Upload = (entry: OutboxEntry, hooks: UploadHooks) => Promise<Uploaded>;

/** What the tab that sends is asked by the others. */
export interface OutboxLeader {
  adopt(entry: OutboxEntry): Promise<void>;
  retry(txn: string): Promise<void>;
  discard(txn: string): Promise<void>;
}

export interface OutboxOptions {
  readonly shelf: OutboxShelf;
  readonly deliver: Deliver;
  readonly upload: Upload;
  /** Keeps back what has not left this device yet. */
  readonly keepBack: (entry: OutboxEntry) => void;
  /** Another tab that sends for this one; undefined while this one sends. */
  readonly leader?: () => OutboxLeader | undefined;
  /** Does the room's timeline hold this event now? */
  readonly there: (room: RoomId, event: string) => boolean;
  readonly now: () => number;
  readonly newTxn: () => string;
  /** Calls back after so many milliseconds; the answer cancels it. */
  readonly later: (ms: number, then: () => void) => () => void;
}

const firstPause = 1_000;
const longestPause = 30_000;
/** A critical message that the server has not answered by then counts as not sent. */
const criticalPatience = 5_000;

/** Uploads take turns of their own, so that a word need not wait for a film before it. */
const uploads = "uploads";
type Lane = RoomId | typeof uploads;

/**
 * Messages on their way to the server: kept before they are shown, sent one after the other in each room, again and
 * again until the server has answered. Files go up first, and where they are is kept before the message goes. Only the
 * server's acknowledgement makes one "sent"; it leaves the outbox when it has been seen in the timeline.
 */
export class Outbox implements Readable<readonly OutboxEntry[]> {
  readonly #options: OutboxOptions;
  readonly #entries = new Store<readonly OutboxEntry[]>([]);
  /** How much of each running upload is there, by transaction. */
  readonly progress = new Store<ReadonlyMap<string, number>>(new Map());
  readonly #running = new Map<string, AbortController>();
  readonly #busy = new Set<Lane>();
  /** What the tab that sends has been given and has not told of yet. */
  readonly #handed = new Map<string, OutboxEntry>();
  readonly #pauses = new Map<Lane, () => void>();
  #loaded: Promise<void> | undefined;
  #open = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get snapshot(): readonly OutboxEntry[] {
    return this.#entries.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#entries.subscribe(listener);

  /** Takes up what an earlier run left behind: it is shown before anything can be sent. */
  load(): Promise<void> {
    return (this.#loaded ??= this.#load());
  }

  /** Starts sending. */
  async start(): Promise<void> {
    await this.load();
    this.#open = true;
    this.flush();
  }

  async #load(): Promise<void> {
    const kept = await this.#options.shelf.load();
    const known = new Set(this.snapshot.map((entry) => entry.txn));
    // What the server acknowledged to an earlier run is in the history by now.
    for (const entry of kept) if (entry.state === "sent") await this.#options.shelf.remove(entry.txn);
    const taken = kept
      .filter((entry) => entry.state !== "sent" && !known.has(entry.txn))
      .map((entry) => (entry.critical === true && entry.state !== "failed" ? late(entry) : entry.state === "sending" ? { ...entry, state: "waiting" as const } : entry));
    this.#entries.update((now) => [...taken, ...now]);
  }

  stop(): void {
    this.#open = false;
    this.#loaded = undefined;
    for (const cancel of this.#pauses.values()) cancel();
    this.#pauses.clear();
    for (const upload of this.#running.values()) upload.abort();
  }

  /** `critical`: sent within seconds or said to be not sent; never later without asking. */
  async enqueue(room: RoomId, content: OutboxContent, uploaded?: Uploaded, critical?: boolean): Promise<void> {
    const { now, newTxn } = this.#options;
    const entry: OutboxEntry = { txn: newTxn(), room, at: now(), content, state: "waiting", event: undefined, uploaded, critical };
    const leader = this.#leader();
    if (leader === undefined) return this.adopt(entry);
    this.#hand(entry);
    if (critical === true) this.#options.later(criticalPatience, () => this.#handed.has(entry.txn) && this.#hand(late(entry)));
    try {
      await leader.adopt(entry);
    } finally {
      this.#handed.delete(entry.txn);
    }
  }

  /** Takes over an entry that was made here or in another tab; a second time it changes nothing. */
  async adopt(made: OutboxEntry): Promise<void> {
    await this.#loaded; // which throws away what it takes for the rest of an earlier run
    if (this.#find(made.txn) !== undefined) return;
    const patience = made.at + criticalPatience - this.#options.now();
    const entry = made.critical === true && patience <= 0 ? late(made) : made; // the tab that was to send it had hung
    await this.#options.shelf.put(entry);
    this.#entries.update((entries) => [...entries, entry]);
    this.#go(entry, patience);
  }

  /** Shows what the tab that sends has told, and what it has not taken over yet. */
  show(entries: readonly OutboxEntry[]): void {
    for (const { txn } of entries) this.#handed.delete(txn);
    this.#entries.set([...entries, ...this.#handed.values()]);
  }

  /** Forgets what another tab has told: this one is going to send. */
  takeOver(): void {
    this.#entries.set([]);
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
    for (const lane of new Set(this.snapshot.map(laneOf))) void this.#work(lane);
  }

  async retry(txn: string): Promise<void> {
    const leader = this.#leader();
    if (leader !== undefined) return leader.retry(txn);
    const entry = this.#find(txn);
    if (entry?.state !== "failed") return;
    if (entry.fault === "late") {
      // The server may have it after all: the same transaction cannot double it.
      const again: OutboxEntry = { ...entry, state: "waiting", fault: undefined };
      await this.#keep(again);
      this.#go(again);
      return;
    }
    // The server refused the first one for good, so a new transaction cannot double it.
    await this.#drop(txn);
    await this.enqueue(entry.room, entry.content, entry.uploaded, entry.critical);
  }

  /** Forgets a message that was not sent, also while its files go up. One that is being sent or was sent stays. */
  async discard(txn: string): Promise<void> {
    const leader = this.#leader();
    if (leader !== undefined) return leader.discard(txn);
    const entry = this.#find(txn);
    const upload = this.#running.get(txn);
    if (entry === undefined || entry.state === "sent" || (entry.state === "sending" && upload === undefined)) return;
    const dropped = this.#drop(txn);
    upload?.abort();
    await dropped;
  }

  /** Lets go of what the timelines hold by now: the outbox no longer needs to show it. */
  async settle(): Promise<void> {
    const { there } = this.#options;
    const done = this.snapshot.filter((entry) => entry.event !== undefined && there(entry.room, entry.event));
    for (const entry of done) await this.#drop(entry.txn);
  }

  /** Begins to send an entry; a critical one does not wait out a pause and has little time. */
  #go(entry: OutboxEntry, patience = criticalPatience): void {
    const lane = laneOf(entry);
    if (entry.critical === true && entry.state === "waiting") {
      this.#options.later(patience, () => void this.#giveUp(entry.txn));
      this.#pauses.get(lane)?.();
      this.#pauses.delete(lane);
    }
    void this.#work(lane);
  }

  /** The server has not answered in time. Should it answer yet, the message was sent after all. */
  async #giveUp(txn: string): Promise<void> {
    const entry = this.#find(txn);
    if (entry?.state !== "waiting" && entry?.state !== "sending") return;
    this.#options.keepBack(entry);
    await this.#keep(late(entry));
  }

  #hand(entry: OutboxEntry): void {
    this.#handed.set(entry.txn, entry);
    this.#entries.update((entries) => [...entries.filter(({ txn }) => txn !== entry.txn), entry]);
  }

  #leader(): OutboxLeader | undefined {
    return this.#options.leader?.();
  }

  #find(txn: string): OutboxEntry | undefined {
    return this.snapshot.find((entry) => entry.txn === txn);
  }

  async #keep(entry: OutboxEntry): Promise<void> {
    await this.#options.shelf.put(entry);
    if (this.#find(entry.txn) === undefined) return this.#options.shelf.remove(entry.txn); // thrown away meanwhile
    this.#show(entry);
  }

  #show(entry: OutboxEntry): void {
    this.#entries.update((entries) => entries.map((old) => (old.txn === entry.txn ? entry : old)));
  }

  async #drop(txn: string): Promise<void> {
    this.#entries.update((entries) => entries.filter((entry) => entry.txn !== txn));
    await this.#options.shelf.remove(txn);
  }

  async #work(lane: Lane): Promise<void> {
    if (!this.#open || this.#busy.has(lane) || this.#pauses.has(lane)) return;
    this.#busy.add(lane);
    try {
      let pause = firstPause;
      for (;;) {
        const next = this.snapshot.find((entry) => entry.state === "waiting" && laneOf(entry) === lane);
        if (next === undefined || !this.#open) return;
        const fault = await this.#attempt(next);
        if (fault === undefined) {
          pause = firstPause;
          continue;
        }
        if (fault === "refused") continue;
        await this.#wait(lane, fault.wait ?? pause);
        pause = Math.min(pause * 2, longestPause);
      }
    } finally {
      this.#busy.delete(lane);
    }
  }

  /** One try. `refused` when the server will never take it, a Refusal when it may later. */
  async #attempt(entry: OutboxEntry): Promise<undefined | "refused" | Refusal> {
    this.#show({ ...entry, state: "sending" });
    try {
      if (laneOf(entry) === uploads) await this.#upload(entry);
      else await this.#keep({ ...entry, state: "sent", event: await this.#options.deliver(entry) });
      await this.settle(); // the timeline may have been faster than the answer
      return undefined;
    } catch (fault) {
      if (this.#find(entry.txn) === undefined) return undefined; // thrown away while it went up
      const refusal = fault instanceof Refusal ? fault : new Refusal("other", String(fault));
      const passing = refusal.reason === "unreachable" || refusal.reason === "limited" || !this.#open;
      const again = passing && this.#find(entry.txn)?.fault !== "late";
      if (again || !passing) await this.#keep({ ...entry, state: again ? "waiting" : "failed", fault: again ? undefined : refusal.reason });
      return passing ? refusal : "refused";
    }
  }

  /** Puts an entry's files on the server; the message itself then waits for its turn in the room. */
  async #upload(entry: OutboxEntry): Promise<void> {
    const { txn } = entry;
    const stop = new AbortController();
    const onProgress = (part: number): void => {
      this.progress.update((now) => new Map(now).set(txn, part));
    };
    this.#running.set(txn, stop);
    onProgress(0);
    try {
      const uploaded = await this.#options.upload(entry, { onProgress, signal: stop.signal });
      this.#running.delete(txn); // from here on the message may be on its way
      await this.#keep({ ...entry, state: "waiting", uploaded });
    } finally {
      this.#running.delete(txn);
      this.progress.update((now) => new Map([...now].filter(([other]) => other !== txn)));
    }
    void this.#work(entry.room);
  }

  #wait(lane: Lane, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = this.#options.later(ms, () => {
        this.#pauses.delete(lane);
        resolve();
      });
      this.#pauses.set(lane, () => {
        end();
        resolve();
      });
    });
  }
}

function late(entry: OutboxEntry): OutboxEntry {
  return { ...entry, state: "failed", fault: "late" };
}

/** Whose turn an entry waits for next. */
function laneOf({ room, content, uploaded }: OutboxEntry): Lane {
  return content.kind === "media" && uploaded === undefined ? uploads : room;
}
