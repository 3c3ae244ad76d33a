import type { App } from "../../store/App.ts";
import { Store, type Readable } from "../../store/Store.ts";

export interface LockSnapshot {
  readonly password: string;
  readonly busy: boolean;
  /** Seconds until the next try. */
  readonly wait: number;
  /** Tries that are left after a wrong one. */
  readonly left: number | undefined;
  readonly giveUp: boolean;
  readonly canUnlock: boolean;
}

/** The locked app: one password, tries that get slower, and the way out for whoever does not know it any more. */
export class LockViewModel implements Readable<LockSnapshot> {
  readonly #app: App;
  readonly #now = new Store<LockSnapshot>({ password: "", busy: false, wait: 0, left: undefined, giveUp: false, canUnlock: false });

  constructor(app: App) {
    this.#app = app;
  }

  get snapshot(): LockSnapshot {
    return this.#now.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#now.subscribe(listener);

  readonly type = (password: string): void => {
    this.#change({ password });
  };

  readonly unlock = async (): Promise<void> => {
    const { password, canUnlock } = this.snapshot;
    if (!canUnlock) return;
    this.#change({ busy: true });
    const answer = await this.#app.account.unlock(password);
    if (answer.kind === "wrong" || answer.kind === "wait") {
      this.#change({ busy: false, password: "", wait: Math.ceil(answer.wait / 1_000), left: answer.kind === "wrong" ? answer.left : this.snapshot.left });
      this.#count();
    }
  };

  readonly askGiveUp = (giveUp: boolean): void => {
    this.#change({ giveUp });
  };

  readonly startOver = (): Promise<void> => this.#app.account.startOver();

  #count(): void {
    if (this.snapshot.wait === 0) return;
    setTimeout(() => {
      this.#change({ wait: this.snapshot.wait - 1 });
      this.#count();
    }, 1_000);
  }

  #change(change: Partial<LockSnapshot>): void {
    this.#now.update((now) => {
      const next = { ...now, ...change };
      return { ...next, canUnlock: !next.busy && next.wait === 0 && next.password !== "" };
    });
  }
}
