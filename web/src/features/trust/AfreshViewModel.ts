import type { App } from "../../store/App.ts";
import { Store, type Readable } from "../../store/Store.ts";

export interface AfreshSnapshot {
  readonly password: string;
  readonly busy: boolean;
  readonly fault: "none" | "wrong" | "failed";
}

/** New keys for an account whose old ones are lost. The password proves who asks. */
export class AfreshViewModel implements Readable<AfreshSnapshot> {
  readonly #app: App;
  readonly #now = new Store<AfreshSnapshot>({ password: "", busy: false, fault: "none" });

  constructor(app: App) {
    this.#app = app;
  }

  get snapshot(): AfreshSnapshot {
    return this.#now.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#now.subscribe(listener);

  readonly type = (password: string): void => {
    this.#now.update((now) => ({ ...now, password, fault: "none" }));
  };

  readonly go = async (): Promise<void> => {
    const { password, busy } = this.snapshot;
    if (busy || password === "") return;
    this.#now.set({ password, busy: true, fault: "none" });
    const answer = await this.#app.safety.startAfresh(password).catch(() => "failed" as const);
    this.#now.set({ password: "", busy: false, fault: answer === "done" ? "none" : answer === "wrong" ? "wrong" : "failed" });
    if (answer === "done") this.#app.guide.open("recovery");
  };

  readonly back = (): void => {
    this.#app.guide.open("confirm");
  };
}
