import type { App } from "../../store/App.ts";
import type { Preference, Theme } from "../../store/Preferences.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { Person, Trust } from "../../store/model.ts";

export interface MeSnapshot {
  readonly me: Person | undefined;
  readonly device: string;
  readonly trust: Trust;
  readonly theme: Theme;
  readonly language: Preference["language"];
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
      [app.session, app.trust, app.preferences, app.outbox, this.#leaving],
      (session, trust, { theme, language }, outbox, leaving) => ({
        me: session.phase === "open" || session.phase === "opening" ? session.me : undefined,
        device: session.phase === "open" ? session.device : "",
        trust,
        theme,
        language,
        leaving,
        waiting: outbox.filter((entry) => entry.state !== "sent").length,
      }),
    );
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): MeSnapshot {
    return this.#derived.snapshot;
  }

  readonly choose = (change: Partial<Preference>): void => {
    this.#app.preferences.choose(change);
  };

  readonly askSignOut = (asked: boolean): void => {
    this.#leaving.set(asked ? "asked" : "no");
  };

  readonly signOut = async (): Promise<void> => {
    this.#leaving.set("busy");
    await this.#app.account.signOut();
  };
}
