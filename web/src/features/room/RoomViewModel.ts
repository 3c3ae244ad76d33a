import type { App } from "../../store/App.ts";
import type { Draft } from "../../store/Drafts.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { Person, RoomId, RoomSummary, Timeline } from "../../store/model.ts";
import { keepSame, rowsOf, type Row } from "./rows.ts";

export interface RoomSnapshot {
  readonly state: "loading" | "open" | "invited" | "gone";
  readonly room: RoomSummary | undefined;
  readonly me: Person | undefined;
  readonly others: readonly Person[];
  readonly rows: readonly Row[];
  readonly typing: readonly Person[];
  readonly history: Timeline["history"];
  readonly draft: Draft;
  readonly picking: "no" | "preparing" | "unreadable";
  readonly canSend: boolean;
  readonly details: boolean;
  readonly leaving: "no" | "asked" | "busy" | "failed";
  readonly busy: boolean;
}

interface Own {
  readonly draft: Draft;
  readonly picking: RoomSnapshot["picking"];
  readonly details: boolean;
  readonly leaving: RoomSnapshot["leaving"];
  readonly busy: boolean;
}

const nothing: Omit<Timeline, "room"> = { items: [], marks: [], typing: [], others: [], history: "loading" };

export class RoomViewModel implements Readable<RoomSnapshot> {
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
    this.#own = new Store<Own>({ draft: app.drafts.get(id), picking: "no", details: false, leaving: "no", busy: false });
    this.#timeline = new TimelineOf(app, id);
    this.#derived = new Derived(
      [app.session, app.rooms, app.outbox, this.#timeline, this.#own],
      (session, rooms, outbox, timeline, own) => {
        const room = rooms.find((one) => one.id === id);
        const me = session.phase === "open" ? session.me : undefined;
        const { draft, ...rest } = own;
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
          draft,
          canSend: own.picking !== "preparing" && (draft.text.trim() !== "" || draft.picture !== undefined),
          ...rest,
        };
      },
    );
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): RoomSnapshot {
    return this.#derived.snapshot;
  }

  readonly type = (text: string): void => {
    this.#draft({ ...this.#own.snapshot.draft, text });
    this.#app.homeserver.typing(this.#room, text.trim() !== "");
  };

  readonly attach = async (file: File): Promise<void> => {
    this.#change({ picking: "preparing" });
    const picture = await this.#app.homeserver.preparePicture(file);
    this.#change({ picking: picture === undefined ? "unreadable" : "no" });
    if (picture !== undefined) this.#draft({ ...this.#own.snapshot.draft, picture });
  };

  readonly unattach = (): void => {
    this.#change({ picking: "no" });
    this.#draft({ ...this.#own.snapshot.draft, picture: undefined });
  };

  /** Hands what was written to the outbox: the picture first, then the text. */
  readonly send = async (): Promise<void> => {
    const { draft, canSend } = this.snapshot;
    if (!canSend) return;
    this.#draft({ text: "", picture: undefined });
    this.#change({ picking: "no" });
    this.#app.homeserver.typing(this.#room, false);
    if (draft.picture !== undefined) await this.#app.outbox.enqueue(this.#room, draft.picture);
    const text = draft.text.trim();
    if (text !== "") await this.#app.outbox.enqueue(this.#room, { kind: "text", text });
  };

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
      await this.#app.homeserver.leave(this.#room);
      this.#app.route.replace({ at: "inbox" });
    } catch {
      this.#change({ leaving: "failed" });
    }
  };

  readonly answer = async (accept: boolean): Promise<void> => {
    this.#change({ busy: true });
    try {
      if (accept) await this.#app.homeserver.accept(this.#room);
      else {
        await this.#app.homeserver.decline(this.#room);
        this.#app.route.replace({ at: "inbox" });
      }
    } finally {
      this.#change({ busy: false });
    }
  };

  #draft(draft: Draft): void {
    this.#app.drafts.keep(this.#room, draft);
    this.#change({ draft });
  }

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
