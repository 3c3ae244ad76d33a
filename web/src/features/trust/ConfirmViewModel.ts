import type { App } from "../../store/App.ts";
import type { KeyAnswer } from "../../store/Safety.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";

export interface ConfirmSnapshot {
  readonly step: "choose" | "key";
  /** Is there another device that could confirm this one? Undefined while that is being looked up. */
  readonly others: boolean | undefined;
  /** There is a recovery key. */
  readonly hasKey: boolean;
  readonly typed: string;
  readonly busy: boolean;
  readonly fault: Exclude<KeyAnswer, "done"> | "none";
}

interface Own {
  readonly step: ConfirmSnapshot["step"];
  readonly others: boolean | undefined;
  readonly typed: string;
  readonly busy: boolean;
  readonly fault: ConfirmSnapshot["fault"];
}

/** Showing that a new device is one's own: by another device or by the recovery key. */
export class ConfirmViewModel implements Readable<ConfirmSnapshot> {
  readonly #app: App;
  readonly #own = new Store<Own>({ step: "choose", others: undefined, typed: "", busy: false, fault: "none" });
  readonly #derived: Readable<ConfirmSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App) {
    this.#app = app;
    this.#derived = new Derived([this.#own, app.safety.recovery], (own, recovery) => ({ ...own, hasKey: recovery === "ready" }));
    this.subscribe = this.#derived.subscribe;
    app.safety.hasOtherDevices().then(
      (others) => {
        this.#change({ others });
      },
      () => {
        this.#change({ others: true }); // not known: whoever has one may try
      },
    );
  }

  get snapshot(): ConfirmSnapshot {
    return this.#derived.snapshot;
  }

  readonly show = (step: ConfirmSnapshot["step"]): void => {
    this.#change({ step, fault: "none" });
  };

  readonly type = (typed: string): void => {
    this.#change({ typed, fault: "none" });
  };

  readonly useDevice = async (): Promise<void> => {
    this.#change({ busy: true, fault: "none" });
    try {
      await this.#app.safety.verifyDevice();
    } catch {
      this.#change({ fault: "failed" });
    } finally {
      this.#change({ busy: false });
    }
  };

  readonly useKey = async (): Promise<void> => {
    const { typed, busy } = this.#own.snapshot;
    if (busy || typed.trim() === "") return;
    this.#change({ busy: true, fault: "none" });
    const answer = await this.#app.safety.useRecoveryKey(typed).catch(() => "failed" as const);
    this.#change({ busy: false, fault: answer === "done" ? "none" : answer });
    if (answer === "done" && this.#app.guide.snapshot === "confirm") this.#app.guide.open("confirmed"); // unless it has noticed by itself
  };

  readonly startAfresh = (): void => {
    this.#app.guide.open("afresh");
  };

  readonly later = (): void => {
    this.#app.guide.later();
  };

  #change(change: Partial<Own>): void {
    this.#own.update((own) => ({ ...own, ...change }));
  }
}
