import type { App } from "../../store/App.ts";
import type { PublicRoom } from "../../store/Rooms.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import { begins } from "../../store/find.ts";
import type { RoomId } from "../../store/model.ts";

export interface RoomsSnapshot {
  readonly ready: boolean;
  readonly term: string;
  readonly state: "loading" | "done" | "failed";
  readonly rooms: readonly PublicRoom[];
  /** What the rooms belong to, once it is known. */
  readonly space: string | undefined;
  readonly more: boolean;
}

interface Own {
  readonly term: string;
  readonly state: RoomsSnapshot["state"];
  readonly rooms: readonly PublicRoom[];
  readonly space: string | undefined;
  readonly next: string | undefined;
}

const pause = 200;

/** The rooms that everybody may find, page by page, or all rooms of a space. */
export class RoomsViewModel implements Readable<RoomsSnapshot> {
  readonly #app: App;
  readonly #space: RoomId | undefined;
  readonly #own = new Store<Own>({ term: "", state: "loading", rooms: [], space: undefined, next: undefined });
  readonly #derived: Readable<RoomsSnapshot>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App, space: RoomId | undefined) {
    this.#app = app;
    this.#space = space;
    this.#derived = new Derived([app.session, this.#own], (session, { next, ...own }) => ({
      ...own,
      ready: session.phase === "open",
      rooms: space === undefined ? own.rooms : own.rooms.filter((room) => begins(room.name, own.term)),
      more: next !== undefined,
    }));
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): RoomsSnapshot {
    return this.#derived.snapshot;
  }

  readonly type = (term: string): void => {
    this.#change({ term });
    if (this.#space !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.load(), pause);
  };

  readonly load = async (): Promise<void> => {
    const { term } = this.#own.snapshot;
    this.#change({ state: "loading" });
    try {
      const found = await this.#ask(term);
      if (this.#own.snapshot.term === term || this.#space !== undefined) this.#change({ ...found, state: "done" });
    } catch {
      if (this.#own.snapshot.term === term) this.#change({ state: "failed" });
    }
  };

  readonly loadMore = async (): Promise<void> => {
    const { term, next, state } = this.#own.snapshot;
    if (next === undefined || state === "loading") return;
    this.#change({ state: "loading" });
    try {
      const page = await this.#app.homeserver.rooms.searchRooms(term.trim(), next);
      if (this.#own.snapshot.term === term) this.#change({ state: "done", rooms: [...this.#own.snapshot.rooms, ...page.rooms], next: page.next });
    } catch {
      if (this.#own.snapshot.term === term) this.#change({ state: "failed" });
    }
  };

  async #ask(term: string): Promise<Pick<Own, "rooms" | "space" | "next">> {
    const { rooms } = this.#app.homeserver;
    if (this.#space === undefined) return { space: undefined, ...(await rooms.searchRooms(term.trim())) };
    const all = await rooms.hierarchy(this.#space);
    return { space: all.find((room) => room.id === this.#space)?.name, rooms: all.filter((room) => room.id !== this.#space), next: undefined };
  }

  #change(change: Partial<Own>): void {
    this.#own.update((own) => ({ ...own, ...change }));
  }
}
