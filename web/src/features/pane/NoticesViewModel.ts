import type { App } from "../../store/App.ts";
import type { RoomDetails } from "../../store/Rooms.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { RoomId } from "../../store/model.ts";
import { RoomStoreOf } from "../room/RoomStoreOf.ts";

export interface NoticesSnapshot {
  readonly details: RoomDetails | undefined;
  readonly busy: boolean;
  readonly failed: boolean;
}

/** What a room wants to say before its messages. */
export class NoticesViewModel implements Readable<NoticesSnapshot> {
  readonly #app: App;
  readonly #work = new Store({ busy: false, failed: false });
  readonly #derived: Readable<NoticesSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App, id: RoomId) {
    this.#app = app;
    const details = new RoomStoreOf(app, (homeserver) => homeserver.rooms.details(id));
    this.#derived = new Derived([details, this.#work], (details, work) => ({ details, ...work }));
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): NoticesSnapshot {
    return this.#derived.snapshot;
  }

  /** Goes to the room that took this one's place, and joins it when that was not done yet. */
  readonly follow = async (): Promise<void> => {
    const room = this.snapshot.details?.replacement;
    if (room === undefined || this.#work.snapshot.busy) return;
    this.#work.set({ busy: true, failed: false });
    try {
      const known = this.#app.rooms.snapshot.find((one) => one.id === room);
      if (known?.membership !== "joined") await this.#app.homeserver.rooms.join(room);
      this.#app.route.go({ at: "room", room });
      this.#work.set({ busy: false, failed: false });
    } catch {
      this.#work.set({ busy: false, failed: true });
    }
  };
}
