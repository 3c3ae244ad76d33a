import type { App } from "../../store/App.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { Notify } from "../../store/model.ts";

export interface NotificationsSnapshot {
  /** Undefined until the server has said. */
  readonly level: Notify | undefined;
  readonly state: "loading" | "ready" | "saving" | "failed";
  readonly sound: boolean;
  readonly outside: boolean;
  /** The browser refuses to show anything outside the app. */
  readonly refused: boolean;
}

export class NotificationsViewModel implements Readable<NotificationsSnapshot> {
  readonly #app: App;
  readonly #level = new Store<Pick<NotificationsSnapshot, "level" | "state">>({ level: undefined, state: "loading" });
  readonly #refused: Store<boolean>;
  readonly #derived: Readable<NotificationsSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App) {
    this.#app = app;
    this.#refused = new Store(app.outside.allowed() === "no");
    this.#derived = new Derived([this.#level, app.preferences, this.#refused], (level, preferences, refused) => ({
      ...level,
      sound: preferences.sound === "on",
      outside: preferences.outside === "on" && !refused,
      refused,
    }));
    this.subscribe = this.#derived.subscribe;
    void this.load();
  }

  get snapshot(): NotificationsSnapshot {
    return this.#derived.snapshot;
  }

  readonly load = async (): Promise<void> => {
    this.#level.set({ level: undefined, state: "loading" });
    try {
      this.#level.set({ level: await this.#app.homeserver.settings.notify(), state: "ready" });
    } catch {
      this.#level.set({ level: undefined, state: "failed" });
    }
  };

  /** The choice is seen at once, and goes back when the server did not take it. */
  readonly choose = async (level: Notify): Promise<void> => {
    const before = this.#level.snapshot;
    if (before.state === "saving" || before.level === level) return;
    this.#level.set({ level, state: "saving" });
    try {
      await this.#app.homeserver.settings.setNotify(level);
      this.#level.set({ level, state: "ready" });
    } catch {
      this.#level.set(before);
      this.#app.notices.tell("failed");
    }
  };

  readonly setSound = (on: boolean): void => {
    this.#app.preferences.choose({ sound: on ? "on" : "off" });
  };

  readonly setOutside = async (on: boolean): Promise<void> => {
    const allowed = !on || (await this.#app.outside.ask());
    this.#refused.set(!allowed);
    this.#app.preferences.choose({ outside: on && allowed ? "on" : "off" });
  };
}
