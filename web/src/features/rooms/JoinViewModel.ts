import type { App } from "../../store/App.ts";
import type { PublicRoom, Rooms } from "../../store/Rooms.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { RoomSummary } from "../../store/model.ts";

export interface JoinSnapshot {
  readonly membership: RoomSummary["membership"] | "none";
  readonly busy: boolean;
  readonly failed: boolean;
  /** Somebody is writing why they want in. */
  readonly asking: boolean;
  readonly reason: string;
}

interface Own {
  readonly busy: boolean;
  readonly failed: boolean;
  readonly asking: boolean;
  readonly reason: string;
}

/** The way into a room that was found. */
export class JoinViewModel implements Readable<JoinSnapshot> {
  readonly #app: App;
  readonly #room: PublicRoom;
  readonly #own = new Store<Own>({ busy: false, failed: false, asking: false, reason: "" });
  readonly #derived: Readable<JoinSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App, room: PublicRoom) {
    this.#app = app;
    this.#room = room;
    this.#derived = new Derived([app.rooms, app.spaces, this.#own], (rooms, spaces, own) => {
      const known = rooms.find((one) => one.id === room.id)?.membership;
      return { membership: known ?? (spaces.some((space) => space.id === room.id) ? "joined" : "none"), ...own };
    });
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): JoinSnapshot {
    return this.#derived.snapshot;
  }

  readonly open = (): void => {
    const { id, space } = this.#room;
    this.#app.route.go(space ? { at: "rooms", space: id } : { at: "room", room: id });
  };

  readonly join = (): Promise<void> =>
    this.#do(async (rooms) => {
      await (this.snapshot.membership === "invited" ? rooms.accept(this.#room.id) : rooms.join(this.#room.id));
      this.open();
    });

  readonly ask = (asking: boolean): void => {
    this.#change({ asking, reason: "", failed: false });
  };

  readonly say = (reason: string): void => {
    this.#change({ reason });
  };

  readonly knock = (): Promise<void> =>
    this.#do(async (rooms) => {
      await rooms.knock(this.#room.id, this.#own.snapshot.reason.trim());
      this.#change({ asking: false });
    });

  async #do(act: (rooms: Rooms) => Promise<void>): Promise<void> {
    if (this.#own.snapshot.busy) return;
    this.#change({ busy: true, failed: false });
    try {
      await act(this.#app.homeserver.rooms);
      this.#change({ busy: false });
    } catch {
      this.#change({ busy: false, failed: true });
    }
  }

  #change(change: Partial<Own>): void {
    this.#own.update((own) => ({ ...own, ...change }));
  }
}
