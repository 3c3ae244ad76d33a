import type { App } from "../../store/App.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import { blankTimeline } from "../../store/blank.ts";
import type { Person, ReadMark, RoomId, Timeline } from "../../store/model.ts";
import { RoomStoreOf } from "./RoomStoreOf.ts";
import { keepSame, reachedBy, readersOf, rowsOf, type Row } from "./rows.ts";

/** A row to be brought onto the screen. Each wish is a new object. */
export interface Target {
  readonly key: string;
  /** Is it to be shown where the eye goes, or only made visible? */
  readonly mark: boolean;
}

export interface TimelineSnapshot extends Omit<Timeline, "room" | "items" | "marks" | "delivered"> {
  readonly me: Person | undefined;
  readonly rows: readonly Row[];
  readonly target: Target | undefined;
  /** A place in the history could not be reached. */
  readonly jump: "no" | "busy" | "failed";
}

/** The messages of a room, or of one thread in it. */
export class TimelineViewModel implements Readable<TimelineSnapshot> {
  readonly thread: string | undefined;
  readonly #app: App;
  readonly #room: RoomId;
  readonly #timeline: Readable<Timeline | undefined>;
  readonly #target = new Store<Target | undefined>(undefined);
  readonly #jump = new Store<TimelineSnapshot["jump"]>("no");
  readonly #clock = new Store(0);
  readonly #derived: Readable<TimelineSnapshot>;
  #rows: readonly Row[] = [];
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App, room: RoomId, thread?: string) {
    this.#app = app;
    this.#room = room;
    this.thread = thread;
    this.#timeline = new RoomStoreOf(app, (homeserver) => (thread === undefined ? homeserver.timeline(room) : homeserver.messages.thread(room, thread)));
    this.#clock.set(app.now());
    this.#derived = new Derived(
      [app.session, app.outbox, this.#timeline, this.#target, this.#jump, this.#clock],
      (session, outbox, timeline, target, jump, now) => {
        const { items, marks, delivered, ...shown } = timeline ?? { ...blankTimeline, room };
        const me = session.phase === "open" ? session.me : undefined;
        const pending = outbox.filter((entry) => entry.room === room && entry.content.thread === thread);
        const there = { ...shown, marks, delivered, items: items.filter((item) => item.kind === "note" || item.expires === undefined || item.expires > now) };
        return { ...shown, me, rows: (this.#rows = keepSame(this.#rows, me === undefined ? [] : rowsOf(there, pending, me, dayOf))), target, jump };
      },
    );
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): TimelineSnapshot {
    return this.#derived.snapshot;
  }

  readonly retry = (txn: string): Promise<void> => this.#app.notices.heed(this.#app.outbox.retry(txn));

  readonly discard = (txn: string): Promise<void> => this.#app.notices.heed(this.#app.outbox.discard(txn));

  /** Somebody has opened it. */
  readonly enter = (): void => {
    if (this.thread === undefined) this.#app.homeserver.messages.enter(this.#room);
  };

  readonly loadOlder = async (): Promise<void> => {
    if (this.#timeline.snapshot?.history !== "more" && this.#timeline.snapshot?.history !== "failed") return;
    await this.#app.homeserver.messages.loadOlder(this.#room, this.thread).catch(() => {
      // The history says that it failed; when the leading tab went, the next one goes on.
    });
  };

  readonly loadNewer = async (): Promise<void> => {
    if (this.#timeline.snapshot?.newer !== "more" && this.#timeline.snapshot?.newer !== "failed") return;
    await this.#app.homeserver.messages.loadNewer(this.#room, this.thread).catch(() => {
      // As with older ones.
    });
  };

  readonly follow = (yes: boolean): void => {
    if (this.#timeline.snapshot !== undefined) this.#app.homeserver.messages.follow(this.#room, this.thread, yes);
  };

  readonly toNewest = (): void => {
    this.#target.set(undefined);
    this.#app.homeserver.messages.toNewest(this.#room, this.thread);
  };

  readonly toUnread = async (): Promise<void> => {
    if (this.snapshot.unread?.from === undefined) await this.#go(() => this.#app.homeserver.messages.toUnread(this.#room));
    this.#target.set({ key: "unread", mark: false });
  };

  /** Goes to a message; the answer says in which thread it is, if in one. */
  readonly toItem = async (item: string): Promise<string | undefined> => {
    const thread = await this.#go(() => this.#app.homeserver.messages.toItem(this.#room, item));
    if (thread === undefined) this.#target.set({ key: item, mark: true });
    return thread;
  };

  readonly toTime = async (at: number): Promise<void> => {
    const item = await this.#go(() => this.#app.homeserver.messages.toTime(this.#room, at));
    if (item !== undefined) this.#target.set({ key: item, mark: false });
  };

  /** The newest message is on the screen and somebody is looking. */
  readonly seen = (): void => {
    const timeline = this.#timeline.snapshot;
    const newest = timeline?.newer === "live" ? timeline.items.at(-1) : undefined;
    if (newest === undefined) return;
    this.#app.homeserver.messages.markRead(this.#room, this.thread, newest.id).catch(() => {
      // Told again with the next message or look.
    });
  };

  /** Time has gone on: what has run out is no longer shown. */
  readonly tick = (): void => {
    this.#clock.set(this.#app.now());
  };

  /** When the next shown message vanishes. */
  get nextExpiry(): number | undefined {
    const times = (this.#timeline.snapshot?.items ?? []).flatMap((item) => (item.kind === "message" && item.expires !== undefined && item.expires > this.#clock.snapshot ? [item.expires] : []));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Everybody who has read a message, earliest first. */
  readersOf(item: string): readonly ReadMark[] {
    const timeline = this.#timeline.snapshot;
    return timeline === undefined ? [] : readersOf(timeline, item);
  }

  /** Everybody whom a message has reached, earliest first. */
  reachedBy(item: string): readonly ReadMark[] {
    const timeline = this.#timeline.snapshot;
    return timeline === undefined ? [] : reachedBy(timeline, item);
  }

  async #go<T>(way: () => Promise<T>): Promise<T | undefined> {
    this.#jump.set("busy");
    try {
      const found = await way();
      this.#jump.set("no");
      return found;
    } catch {
      this.#jump.set("failed");
      return undefined;
    }
  }
}

/** A number for the calendar day of a time, in this device's time zone. */
export function dayOf(at: number): number {
  const date = new Date(at);
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate();
}
