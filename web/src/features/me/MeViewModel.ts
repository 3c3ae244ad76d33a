import type { App } from "../../store/App.ts";
import type { Section } from "../../store/Route.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { Person } from "../../store/model.ts";

export interface MeSnapshot {
  readonly me: Person | undefined;
  readonly section: Section | undefined;
  readonly leaving: "no" | "asked" | "busy";
  /** Messages that signing out would lose. */
  readonly waiting: number;
}

export class MeViewModel implements Readable<MeSnapshot> {
  readonly #app: App;
  readonly #leaving = new Store<MeSnapshot["leaving"]>("no");
  readonly #derived: Readable<MeSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App) {
    this.#app = app;
    this.#derived = new Derived(
      [app.session, app.route, app.outbox, this.#leaving],
      (session, place, outbox, leaving) => ({
        me: session.phase === "open" || session.phase === "opening" ? session.me : undefined,
        section: place.at === "me" ? (place.section ?? "appearance") : undefined,
        leaving,
        waiting: outbox.filter((entry) => entry.state !== "sent").length,
      }),
    );
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): MeSnapshot {
    return this.#derived.snapshot;
  }

  readonly askSignOut = (asked: boolean): void => {
    this.#leaving.set(asked ? "asked" : "no");
  };

  readonly signOut = async (): Promise<void> => {
    this.#leaving.set("busy");
    await this.#app.account.signOut();
  };
}
