import type { App } from "../../store/App.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { Person, RoomId, RoomSummary, Timeline } from "../../store/model.ts";
import { ComposerViewModel } from "./ComposerViewModel.ts";
import { keepSame, rowsOf, type Row } from "./rows.ts";

export interface RoomSnapshot {
  readonly state: "loading" | "open" | "invited" | "gone";
  readonly room: RoomSummary | undefined;
  readonly me: Person | undefined;
  readonly others: readonly Person[];
  readonly rows: readonly Row[];
  readonly typing: readonly Person[];
  readonly history: Timeline["history"];
  readonly details: boolean;
  readonly leaving: "no" | "asked" | "busy" | "failed";
  readonly busy: boolean;
}

interface Own {
  readonly details: boolean;
  readonly leaving: RoomSnapshot["leaving"];
  readonly busy: boolean;
}

const nothing: Omit<Timeline, "room"> = { items: [], marks: [], typing: [], others: [], history: "loading" };

export class RoomViewModel implements Readable<RoomSnapshot> {
  readonly composer: ComposerViewModel;
  readonly #app: App;
  readonly #room: RoomId;
  readonly #own: Store<Own>;
  readonly #timeline: TimelineOf;
  readonly #derived: Readable<RoomSnapshot>;
  #rows: readonly Row[] = [];
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App, id: RoomId) {
    this.#app = app;
    this.#room = id;
    this.composer = new ComposerViewModel(app, id);
    this.#own = new Store<Own>({ details: false, leaving: "no", busy: false });
    this.#timeline = new TimelineOf(app, id);
    this.#derived = new Derived(
      [app.session, app.rooms, app.outbox, this.#timeline, this.#own],
      (session, rooms, outbox, timeline, own) => {
        const room = rooms.find((one) => one.id === id);
        const me = session.phase === "open" ? session.me : undefined;
        const shown = timeline ?? { ...nothing, room: id };
        const pending = outbox.filter((entry) => entry.room === id);
        return {
          state: stateOf(session.phase === "open", room),
          room,
          me,
          others: shown.others,
          rows: (this.#rows = keepSame(this.#rows, me === undefined ? [] : rowsOf(shown, pending, me, dayOf))),
          typing: shown.typing,
          history: shown.history,
          ...own,
        };
      },
    );
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): RoomSnapshot {
    return this.#derived.snapshot;
  }

  readonly retry = (txn: string): Promise<void> => this.#app.outbox.retry(txn);

  readonly discard = (txn: string): Promise<void> => this.#app.outbox.discard(txn);

  readonly loadOlder = async (): Promise<void> => {
    if (this.snapshot.state === "open" && this.snapshot.history !== "loading") await this.#app.homeserver.loadOlder(this.#room);
  };

  /** The newest message is on the screen and somebody is looking. */
  readonly seen = (): void => {
    const newest = this.#timeline.snapshot?.items.at(-1);
    if (newest === undefined) return;
    this.#app.homeserver.markRead(this.#room, newest.id).catch(() => {
      // Told again with the next message or look.
    });
  };

  readonly toggleDetails = (): void => {
    this.#change({ details: !this.#own.snapshot.details, leaving: "no" });
  };

  readonly askLeave = (asked: boolean): void => {
    this.#change({ leaving: asked ? "asked" : "no" });
  };

  readonly leave = async (): Promise<void> => {
    this.#change({ leaving: "busy" });
    try {
      await this.#app.homeserver.rooms.leave(this.#room);
      this.#app.route.replace({ at: "inbox" });
    } catch {
      this.#change({ leaving: "failed" });
    }
  };

  readonly answer = async (accept: boolean): Promise<void> => {
    this.#change({ busy: true });
    try {
      if (accept) await this.#app.homeserver.rooms.accept(this.#room);
      else {
        await this.#app.homeserver.rooms.decline(this.#room);
        this.#app.route.replace({ at: "inbox" });
      }
    } finally {
      this.#change({ busy: false });
    }
  };

  #change(change: Partial<Own>): void {
    this.#own.update((own) => ({ ...own, ...change }));
  }
}

/** A room's timeline, which is there only once the room is known: looked for again whenever the list of rooms changes. */
class TimelineOf implements Readable<Timeline | undefined> {
  readonly #app: App;
  readonly #room: RoomId;

  constructor(app: App, room: RoomId) {
    this.#app = app;
    this.#room = room;
  }

  get snapshot(): Timeline | undefined {
    return this.#store()?.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    let heard = this.#store();
    let endTimeline = heard?.subscribe(listener);
    const endRooms = this.#app.rooms.subscribe(() => {
      const store = this.#store();
      if (store === heard) return;
      endTimeline?.();
      heard = store;
      endTimeline = store?.subscribe(listener);
      listener();
    });
    return () => {
      endRooms();
      endTimeline?.();
    };
  };

  #store(): Readable<Timeline> | undefined {
    return this.#app.session.snapshot.phase === "open" ? this.#app.homeserver.timeline(this.#room) : undefined;
  }
}

function stateOf(ready: boolean, room: RoomSummary | undefined): RoomSnapshot["state"] {
  if (room !== undefined) return room.membership === "invited" ? "invited" : ready ? "open" : "loading";
  return ready ? "gone" : "loading";
}

/** A number for the calendar day of a time, in this device's time zone. */
export function dayOf(at: number): number {
  const date = new Date(at);
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate();
}
