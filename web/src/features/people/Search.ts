import { Store, type Readable } from "../../store/Store.ts";

export interface Found<T> {
  readonly term: string;
  readonly state: "idle" | "searching" | "done" | "failed";
  readonly items: readonly T[];
}

const pause = 200;
const shortest = 2;

/** Asks the server while somebody types: after a short pause, and only the last question counts. */
export class Search<T> implements Readable<Found<T>> {
  readonly #ask: (term: string) => Promise<readonly T[]>;
  readonly #found = new Store<Found<T>>({ term: "", state: "idle", items: [] });
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ask: (term: string) => Promise<readonly T[]>) {
    this.#ask = ask;
  }

  get snapshot(): Found<T> {
    return this.#found.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#found.subscribe(listener);

  type(term: string): void {
    clearTimeout(this.#timer);
    const asks = term.trim().length >= shortest;
    this.#found.set({ term, state: asks ? "searching" : "idle", items: asks ? this.snapshot.items : [] });
    if (!asks) return;
    this.#timer = setTimeout(() => {
      void this.#find(term);
    }, pause);
  }

  async #find(term: string): Promise<void> {
    try {
      this.#answer({ term, state: "done", items: await this.#ask(term.trim()) });
    } catch {
      this.#answer({ term, state: "failed", items: [] });
    }
  }

  #answer(found: Found<T>): void {
    if (this.snapshot.term === found.term) this.#found.set(found);
  }
}
