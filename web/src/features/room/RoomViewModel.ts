import type { App } from "../../store/App.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { Person, RoomId, RoomSummary } from "../../store/model.ts";
import { ComposerViewModel } from "./ComposerViewModel.ts";
import { Desk } from "./Desk.ts";
import { RoomStoreOf } from "./RoomStoreOf.ts";
import { TimelineViewModel } from "./TimelineViewModel.ts";

export interface RoomSnapshot {
  readonly state: "loading" | "open" | "invited" | "gone";
  readonly room: RoomSummary | undefined;
  readonly me: Person | undefined;
  readonly others: readonly Person[];
  readonly busy: boolean;
}

interface Own {
  readonly busy: boolean;
}

export class RoomViewModel implements Readable<RoomSnapshot> {
  readonly desk: Desk;
  readonly #app: App;
  readonly #room: RoomId;
  readonly #own = new Store<Own>({ busy: false });
  readonly #derived: Readable<RoomSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App, id: RoomId) {
    this.#app = app;
    this.#room = id;
    this.desk = new Desk(app, new TimelineViewModel(app, id), new ComposerViewModel(app, id), id);
    this.#derived = new Derived([app.session, app.rooms, new RoomStoreOf(app, (homeserver) => homeserver.timeline(id)), this.#own], (session, rooms, timeline, own) => {
      const room = rooms.find((one) => one.id === id);
      const me = session.phase === "open" ? session.me : undefined;
      return { state: stateOf(session.phase === "open", room), room, me, others: timeline?.others ?? [], ...own };
    });
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): RoomSnapshot {
    return this.#derived.snapshot;
  }

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
  if (room?.membership === "knocked") return ready ? "gone" : "loading"; // nothing to see before somebody lets one in
  if (room !== undefined) return room.membership === "invited" ? "invited" : ready ? "open" : "loading";
  return ready ? "gone" : "loading";
}
