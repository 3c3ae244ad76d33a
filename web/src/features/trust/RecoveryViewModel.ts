import type { App } from "../../store/App.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";

/** How many parts are asked for, to see that somebody has kept the key. */
const asked = 2;

export interface RecoverySnapshot {
  readonly step: "intro" | "key" | "check" | "done";
  readonly parts: readonly string[];
  /** Which parts are asked for, counted from one, and what was typed for each. */
  readonly questions: readonly { readonly number: number; readonly typed: string }[];
  readonly canFinish: boolean;
  readonly fault: "none" | "different" | "failed";
  readonly busy: boolean;
  /** There was a key before, which this one replaces. */
  readonly replaces: boolean;
  readonly user: string;
}

interface Own {
  readonly step: RecoverySnapshot["step"];
  readonly parts: readonly string[];
  readonly questions: RecoverySnapshot["questions"];
  readonly fault: RecoverySnapshot["fault"];
  readonly busy: boolean;
}

/** Making a recovery key: why, the key, whether it was kept, done. Nothing is changed before the last step. */
export class RecoveryViewModel implements Readable<RecoverySnapshot> {
  readonly #app: App;
  readonly #random: () => number;
  readonly #own = new Store<Own>({ step: "intro", parts: [], questions: [], fault: "none", busy: false });
  readonly #derived: Readable<RecoverySnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App, random: () => number = Math.random) {
    this.#app = app;
    this.#random = random;
    this.#derived = new Derived([this.#own, app.safety.recovery, app.session], (own, recovery, session) => ({
      ...own,
      canFinish: !own.busy && own.questions.every(({ typed }) => typed.trim() !== ""),
      replaces: recovery === "ready" && own.step !== "done",
      user: session.phase === "open" ? session.me.id : "",
    }));
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): RecoverySnapshot {
    return this.#derived.snapshot;
  }

  readonly make = (): Promise<void> =>
    this.#do(async () => {
      const parts = await this.#app.safety.newRecoveryKey();
      this.#change({ parts, questions: this.#choose(parts.length), step: "key" });
    });

  readonly show = (step: "key" | "check"): void => {
    this.#change({ step, fault: "none" });
  };

  readonly type = (number: number, typed: string): void => {
    this.#change({ fault: "none", questions: this.#own.snapshot.questions.map((question) => (question.number === number ? { number, typed } : question)) });
  };

  readonly finish = async (): Promise<void> => {
    const { parts, questions } = this.#own.snapshot;
    if (!this.snapshot.canFinish) return;
    if (questions.some(({ number, typed }) => typed.trim() !== parts[number - 1])) {
      this.#change({ fault: "different" });
      return;
    }
    await this.#do(async () => {
      await this.#app.safety.keepRecoveryKey();
      this.#change({ step: "done", parts: [], questions: [] });
    });
  };

  readonly later = (): void => {
    this.#app.guide.later();
  };

  readonly close = (): void => {
    this.#app.guide.done();
  };

  #choose(count: number): RecoverySnapshot["questions"] {
    const numbers = new Set<number>();
    while (numbers.size < Math.min(asked, count)) numbers.add(1 + Math.floor(this.#random() * count));
    return [...numbers].sort((a, b) => a - b).map((number) => ({ number, typed: "" }));
  }

  async #do(act: () => Promise<void>): Promise<void> {
    this.#change({ busy: true, fault: "none" });
    try {
      await act();
    } catch {
      this.#change({ fault: "failed" });
    } finally {
      this.#change({ busy: false });
    }
  }

  #change(change: Partial<Own>): void {
    this.#own.update((own) => ({ ...own, ...change }));
  }
}
