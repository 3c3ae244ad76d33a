import type { App } from "../../store/App.ts";
import type { Place } from "../../store/Route.ts";
import { isUnread } from "../../store/inbox.ts";
import { Derived, type Readable } from "../../store/Store.ts";
import type { Overlay, Person } from "../../store/model.ts";

export interface ShellSnapshot {
  readonly place: Place;
  readonly me: Person | undefined;
  readonly overlay: Overlay;
  readonly demo: boolean;
  /** Conversations with something new. */
  readonly unread: number;
  /** What the bar at the top says; nothing while all is well. */
  readonly bar: { readonly kind: "offline" | "unreachable"; readonly waiting: number } | undefined;
}

export class ShellViewModel implements Readable<ShellSnapshot> {
  readonly #app: App;
  readonly #derived: Readable<ShellSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App) {
    this.#app = app;
    this.#derived = new Derived(
      [app.route, app.session, app.connection, app.rooms, app.outbox, app.demo, app.overlay],
      (place, session, connection, rooms, outbox, demo, overlay) => ({
        place,
        overlay,
        me: session.phase === "open" || session.phase === "opening" ? session.me : undefined,
        demo: demo !== undefined,
        unread: rooms.filter((room) => isUnread(room) || room.membership === "invited").length,
        bar:
          connection === "offline" || connection === "unreachable"
            ? { kind: connection, waiting: outbox.filter((entry) => entry.state === "waiting" || entry.state === "sending").length }
            : undefined,
      }),
    );
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): ShellSnapshot {
    return this.#derived.snapshot;
  }

  readonly retry = (): void => {
    this.#app.homeserver.retry();
  };
}
