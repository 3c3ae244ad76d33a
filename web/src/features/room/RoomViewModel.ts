import type { App } from "../../store/App.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { Person, RoomId, RoomSummary, Timeline } from "../../store/model.ts";
import { ComposerViewModel } from "./ComposerViewModel.ts";
import { RoomStoreOf } from "./RoomStoreOf.ts";
import { keepSame, rowsOf, type Row } from "./rows.ts";

export interface RoomSnapshot {
  readonly state: "loading" | "open" | "invited" | "gone";
  readonly room: RoomSummary | undefined;
  readonly me: Person | undefined;
  readonly others: readonly Person[];
  readonly rows: readonly Row[];
  readonly typing: readonly Person[];
  readonly history: Timeline["history"];
  readonly busy: boolean;
}

interface Own {
  readonly busy: boolean;
}

const nothing: Omit<Timeline, "room"> = { items: [], marks: [], typing: [], others: [], history: "loading" };

export class RoomViewModel implements Readable<RoomSnapshot> {
  readonly composer: ComposerViewModel;
  readonly #app: App;
  readonly #room: RoomId;
  readonly #own = new Store<Own>({ busy: false });
  readonly #timeline: Readable<Timeline | undefined>;
  readonly #derived: Readable<RoomSnapshot>;
  #rows: readonly Row[] = [];
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App, id: RoomId) {
    this.#app = app;
    this.#room = id;
    this.composer = new ComposerViewModel(app, id);
    this.#timeline = new RoomStoreOf(app, (homeserver) => homeserver.timeline(id));
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

function stateOf(ready: boolean, room: RoomSummary | undefined): RoomSnapshot["state"] {
  if (room !== undefined) return room.membership === "invited" ? "invited" : ready ? "open" : "loading";
  return ready ? "gone" : "loading";
}

/** A number for the calendar day of a time, in this device's time zone. */
export function dayOf(at: number): number {
  const date = new Date(at);
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate();
}
