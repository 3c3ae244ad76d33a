import { Refusal } from "./Homeserver.ts";
import { Store, type Readable } from "./Store.ts";
import type { Uploaded } from "./media.ts";
import type { OutboxContent, OutboxEntry, RoomId } from "./model.ts";

/** Where waiting messages survive a reload, sealed. Every tab reads and writes it: what is not on it is done. */
export interface OutboxShelf {
  /** Everything kept, oldest first. */
  load(): Promise<readonly OutboxEntry[]>;
  read(txn: string): Promise<OutboxEntry | undefined>;
  /** Keeps a new one, in the place of another if there is one to replace: all of it or nothing. */
  add(entry: OutboxEntry, instead?: string): Promise<void>;
  /** Keeps what has become of one, unless it was removed. */
  update(entry: OutboxEntry): Promise<void>;
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
  /** Sends what is on the shelf. False when it is no longer there. */
  adopt(txn: string): Promise<boolean>;
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
  /** Do the timelines hold it now, by the server's id or by its transaction? */
  readonly arrived: (entry: OutboxEntry) => boolean;
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

/** The time between a start and a stop. What was begun in one decides nothing in the next. */
interface Run {
  readonly busy: Set<Lane>;
  readonly pauses: Map<Lane, () => void>;
}

/**
 * Messages on their way to the server: on the shelf before anything else, sent one after the other in each room, again and
 * again until the server has answered. Files go up first. Only the server's acknowledgement makes one "sent"; it leaves the
 * outbox when it has been seen in the timeline. What is to become of one is decided here at once and then written down; a
 * change that is lost with the page is at worst made again, with the same transaction.
 */
export class Outbox implements Readable<readonly OutboxEntry[]> {
  readonly #options: OutboxOptions;
  readonly #entries = new Store<readonly OutboxEntry[]>([]);
  /** How much of each running upload is there, by transaction. */
  readonly progress = new Store<ReadonlyMap<string, number>>(new Map());
  readonly #uploading = new Map<string, AbortController>();
  /** What the tab that sends has told. */
  #told: readonly OutboxEntry[] = [];
  /** What it was asked to send and has not told of yet, and which of it it has taken. */
  readonly #handed = new Map<string, OutboxEntry>();
  readonly #taken = new Set<string>();
  #run: Run | undefined;
  #loaded: Promise<void> | undefined;
  /** One write after the other, so that the last one decides. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get snapshot(): readonly OutboxEntry[] {
    return this.#entries.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#entries.subscribe(listener);

  /** Takes up what is on the shelf: it is shown before anything can be sent. When that fails the next call tries again. */
  load(): Promise<void> {
    return (this.#loaded ??= this.#load().catch((fault: unknown) => {
      this.#loaded = undefined;
      throw fault;
    }));
  }

  /** Starts sending. */
  async start(): Promise<void> {
    await this.load();
    this.#run ??= { busy: new Set(), pauses: new Map() };
    await this.settle();
    this.flush();
  }

  async #load(): Promise<void> {
    const before = new Set(this.snapshot.map(({ txn }) => txn));
    const kept = await this.#write((shelf) => shelf.load());
    // What the server acknowledged to an earlier run is in the history by now.
    for (const { txn, state } of kept) if (state === "sent") void this.#drop(txn);
    const waiting = kept.filter(({ state }) => state !== "sent").map((entry) => this.#inTime(resting(entry)));
    for (const { txn } of waiting) before.add(txn);
    this.#entries.update((now) => [...waiting, ...now.filter(({ txn }) => !before.has(txn))]);
    for (const entry of waiting) this.#watch(entry);
  }

  stop(): void {
    const pauses = this.#run?.pauses.values() ?? [];
    this.#run = undefined;
    for (const cancel of pauses) cancel();
    for (const upload of this.#uploading.values()) upload.abort();
    this.#entries.update((entries) => entries.map(resting));
  }

  /** Another tab has taken the sending over: it may have read the shelf before this one wrote there. */
  handOver(): void {
    this.stop();
    this.#told = [];
    for (const entry of this.snapshot) if (entry.state !== "sent") this.#hand(entry);
  }

  /** This tab is going to send: it loads what is on the shelf, where also is what it has handed over. */
  takeOver(): void {
    this.#entries.set([...this.#handed.values()]);
    this.#handed.clear();
    this.#taken.clear();
    this.#loaded = undefined;
  }

  /** Resolved when the message is on the shelf, where nothing loses it. Rejected when it could not be kept; it is not sent then. */
  async enqueue(room: RoomId, content: OutboxContent, uploaded?: Uploaded): Promise<void> {
    const { now, newTxn } = this.#options;
    await this.#add({ txn: newTxn(), room, at: now(), content, state: "waiting", event: undefined, uploaded });
  }

  async #add(entry: OutboxEntry, instead?: string): Promise<void> {
    await this.#write((shelf) => shelf.add(entry, instead));
    if (this.#leader() === undefined) this.#take(entry);
    else this.#hand(entry);
  }

  async adopt(txn: string): Promise<boolean> {
    await this.load();
    if (this.#find(txn) !== undefined) return true;
    const entry = await this.#write((shelf) => shelf.read(txn));
    if (entry === undefined || entry.state === "sent") return false;
    this.#take(resting(entry));
    return true;
  }

  /** Shows what the tab that sends has told, and what it has not taken over yet. */
  show(entries: readonly OutboxEntry[]): void {
    this.#told = entries;
    for (const txn of [...entries.map((entry) => entry.txn), ...this.#taken]) this.#handed.delete(txn);
    this.#taken.clear();
    this.#showHanded();
  }

  /** The timeline of a room was cut: what was sent is somewhere in its history. */
  async settleRoom(room: RoomId): Promise<void> {
    await this.#dropAll((entry) => entry.room === room && entry.state === "sent");
  }

  /** Lets go of what the timelines hold by now, whatever became of the answer: the outbox no longer needs to show it. */
  async settle(): Promise<void> {
    await this.#dropAll(this.#options.arrived);
  }

  /** Sends what waits, at once: the network came back. */
  flush(): void {
    for (const cancel of this.#run?.pauses.values() ?? []) cancel();
    this.#run?.pauses.clear();
    for (const lane of new Set(this.snapshot.map(laneOf))) void this.#work(lane);
  }

  async retry(txn: string): Promise<void> {
    const leader = this.#leader();
    if (leader !== undefined) {
      const handed = this.#handed.get(txn);
      if (handed !== undefined) {
        const again = this.#again(handed);
        await this.#write((shelf) => shelf.update(again));
        this.#hand(again);
      }
      return leader.retry(txn);
    }
    await this.load();
    const entry = this.#find(txn);
    if (entry?.state !== "failed") return;
    const again = this.#again(entry);
    if (!isRefused(entry)) {
      // The server may have it after all: the same transaction cannot double it.
      const kept = this.#change(txn, () => again);
      this.#go(again);
      return kept;
    }
    // The server refused the first one for good, so a new transaction cannot double it.
    this.#entries.update((entries) => entries.filter((one) => one !== entry));
    try {
      await this.#add({ ...again, txn: this.#options.newTxn() }, txn);
    } catch (fault) {
      this.#entries.update((entries) => [...entries, entry]);
      throw fault;
    }
  }

  /** Forgets a message that was not sent, also while its files go up. One that is being sent or was sent stays. */
  async discard(txn: string): Promise<void> {
    const leader = this.#leader();
    if (leader !== undefined) {
      if (this.#handed.delete(txn)) {
        this.#showHanded();
        await this.#write((shelf) => shelf.remove(txn));
      }
      return leader.discard(txn);
    }
    await this.load();
    const entry = this.#find(txn);
    const upload = this.#uploading.get(txn);
    if (entry === undefined || entry.state === "sent" || (entry.state === "sending" && upload === undefined)) return;
    const dropped = this.#drop(txn);
    upload?.abort();
    await dropped;
  }

  /** Shows what is on the shelf, and begins to send it. */
  #take(made: OutboxEntry): void {
    if (this.#find(made.txn) !== undefined) return;
    const entry = this.#inTime(made);
    this.#entries.update((entries) => [...entries, entry]);
    this.#go(entry);
  }

  /** Asks the tab that sends to take what is on the shelf; until it has told of it, it is shown from here. */
  #hand(entry: OutboxEntry): void {
    const { txn } = entry;
    this.#handed.set(txn, resting(entry));
    this.#showHanded();
    this.#watch(entry);
    this.#leader()
      ?.adopt(txn)
      .then(
        (taken) => {
          if (taken) this.#taken.add(txn);
          else if (this.#handed.delete(txn)) this.#showHanded();
        },
        () => {
          if (this.#handed.has(txn)) this.#handed.set(txn, { ...entry, state: "failed", fault: "other" });
          this.#showHanded();
        },
      );
  }

  #showHanded(): void {
    if (this.#leader() === undefined) return;
    const told = this.#told.filter(({ txn }) => !this.#handed.has(txn));
    this.#entries.set([...told, ...this.#handed.values()]);
  }

  /** Begins to send an entry; a critical one does not wait out a pause. */
  #go(entry: OutboxEntry): void {
    const lane = laneOf(entry);
    if (isCritical(entry)) {
      this.#run?.pauses.get(lane)?.();
      this.#run?.pauses.delete(lane);
    }
    this.#watch(entry);
    void this.#work(lane);
  }

  /** Gives a critical message little time. */
  #watch(entry: OutboxEntry): void {
    if (!isCritical(entry) || !isOpen(entry)) return;
    this.#options.later(this.#left(entry), () => {
      this.#giveUp(entry.txn);
    });
  }

  /** The server has not answered in time. Should it answer yet, the message was sent after all. */
  #giveUp(txn: string): void {
    const entry = this.#find(txn);
    if (entry === undefined) return;
    if (this.#inTime(entry) === entry) this.#watch(entry); // asked for again since, or the timer was early
    else if (this.#leader() === undefined) {
      this.#options.keepBack(entry);
      void this.#change(txn, late);
    } else if (this.#handed.has(txn)) {
      this.#handed.set(txn, late(entry));
      this.#showHanded();
    } else void this.#leader()?.adopt(txn).catch(() => undefined); // it should have said so itself: unless it answers now it has hung
  }

  /** A critical message whose time is over was not sent, whichever tab was to send it. */
  #inTime(entry: OutboxEntry): OutboxEntry {
    return isCritical(entry) && isOpen(entry) && this.#left(entry) <= 0 ? late(entry) : entry;
  }

  #left(entry: OutboxEntry): number {
    return entry.at + criticalPatience - this.#options.now();
  }

  #again(entry: OutboxEntry): OutboxEntry {
    return { ...entry, state: "waiting", fault: undefined, at: this.#options.now() };
  }

  #leader(): OutboxLeader | undefined {
    return this.#options.leader?.();
  }

  #find(txn: string): OutboxEntry | undefined {
    return this.snapshot.find((entry) => entry.txn === txn);
  }

  #write<T>(act: (shelf: OutboxShelf) => Promise<T>): Promise<T> {
    const written = this.#writing.then(() => act(this.#options.shelf));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  /** Decides on what an entry is now, not on what it was when something began. */
  async #change(txn: string, change: (entry: OutboxEntry) => OutboxEntry): Promise<void> {
    const before = this.#find(txn);
    if (before === undefined) return; // thrown away meanwhile
    const after = change(before);
    this.#show(after);
    await this.#write((shelf) => shelf.update(after)).catch(() => undefined); // what was kept before holds
  }

  #show(entry: OutboxEntry): void {
    this.#entries.update((entries) => entries.map((old) => (old.txn === entry.txn ? entry : old)));
  }

  async #drop(txn: string): Promise<void> {
    this.#entries.update((entries) => entries.filter((entry) => entry.txn !== txn));
    await this.#write((shelf) => shelf.remove(txn)).catch(() => undefined); // the same transaction cannot double it
  }

  async #dropAll(which: (entry: OutboxEntry) => boolean): Promise<void> {
    if (this.#leader() === undefined) await Promise.all(this.snapshot.filter(which).map(({ txn }) => this.#drop(txn)));
  }

  async #work(lane: Lane): Promise<void> {
    const run = this.#run;
    if (run === undefined || run.busy.has(lane) || run.pauses.has(lane)) return;
    run.busy.add(lane);
    let pause = firstPause;
    while (this.#run === run) {
      const next = this.snapshot.find((entry) => entry.state === "waiting" && laneOf(entry) === lane);
      if (next === undefined) break;
      if (this.#inTime(next) !== next) {
        this.#giveUp(next.txn);
        continue;
      }
      const fault = await this.#attempt(next, run);
      if (fault === undefined) pause = firstPause;
      else if (fault !== "refused") {
        await this.#wait(run, lane, fault.wait ?? pause);
        pause = Math.min(pause * 2, longestPause);
      }
    }
    run.busy.delete(lane);
  }

  /** One try. `refused` when the server will never take it, a Refusal when it may later. */
  async #attempt(entry: OutboxEntry, run: Run): Promise<undefined | "refused" | Refusal> {
    const { txn } = entry;
    this.#show({ ...entry, state: "sending" });
    try {
      if (laneOf(entry) === uploads) await this.#upload(entry);
      else {
        const event = await this.#options.deliver(entry);
        await this.#change(txn, (now) => ({ ...now, state: "sent", event, fault: undefined }));
        await this.settle(); // the timeline may have been faster than the answer
      }
      return undefined;
    } catch (fault) {
      if (this.#run !== run || this.#find(txn) === undefined) return undefined; // stopped, or thrown away while it went up
      const refusal = fault instanceof Refusal ? fault : new Refusal("other", String(fault));
      const passing = refusal.reason === "unreachable" || refusal.reason === "limited";
      await this.#change(txn, (now) => (passing ? resting(now) : { ...now, state: "failed", fault: refusal.reason }));
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
    this.#uploading.set(txn, stop);
    onProgress(0);
    try {
      const uploaded = await this.#options.upload(entry, { onProgress, signal: stop.signal });
      this.#uploading.delete(txn); // from here on the message may be on its way
      await this.#change(txn, (now) => ({ ...resting(now), uploaded }));
    } finally {
      this.#uploading.delete(txn);
      this.progress.update((now) => new Map([...now].filter(([other]) => other !== txn)));
    }
    void this.#work(entry.room);
  }

  #wait({ pauses }: Run, lane: Lane, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = this.#options.later(ms, () => {
        pauses.delete(lane);
        resolve();
      });
      pauses.set(lane, () => {
        end();
        resolve();
      });
    });
  }
}

/** Somebody must know at once: it is said to be not sent rather than sent later without asking. */
export function isCritical({ content }: OutboxEntry): boolean {
  return content.priority === "critical";
}

function isOpen({ state }: OutboxEntry): boolean {
  return state === "waiting" || state === "sending";
}

/** Did the server say that it does not take it? */
function isRefused({ fault }: OutboxEntry): boolean {
  return fault === "forbidden" || fault === "gone" || fault === "tooLarge";
}

function late(entry: OutboxEntry): OutboxEntry {
  return { ...entry, state: "failed", fault: "late" };
}

/** Nobody is sending it now. */
function resting(entry: OutboxEntry): OutboxEntry {
  return entry.state === "sending" ? { ...entry, state: "waiting" } : entry;
}

/** Whose turn an entry waits for next. */
function laneOf({ room, content, uploaded }: OutboxEntry): Lane {
  return content.kind === "media" && uploaded === undefined ? uploads : room;
}
