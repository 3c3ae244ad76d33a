import type { Homeserver } from "../../store/Homeserver.ts";
import { Store, type Readable } from "../../store/Store.ts";
import type { Person } from "../../store/model.ts";

export interface PeopleFound {
  readonly term: string;
  readonly state: "idle" | "searching" | "done" | "failed";
  readonly people: readonly Person[];
}

const pause = 200;
const shortest = 2;

/** Searches the user directory while somebody types: after a short pause, and only the last question counts. */
export class PeopleSearch implements Readable<PeopleFound> {
  readonly #homeserver: () => Homeserver;
  readonly #found = new Store<PeopleFound>({ term: "", state: "idle", people: [] });
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(homeserver: () => Homeserver) {
    this.#homeserver = homeserver;
  }

  get snapshot(): PeopleFound {
    return this.#found.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#found.subscribe(listener);

  type(term: string): void {
    clearTimeout(this.#timer);
    const asks = term.trim().length >= shortest;
    this.#found.set({ term, state: asks ? "searching" : "idle", people: asks ? this.snapshot.people : [] });
    if (!asks) return;
    this.#timer = setTimeout(() => {
      void this.#ask(term);
    }, pause);
  }

  async #ask(term: string): Promise<void> {
    try {
      const people = await this.#homeserver().rooms.searchPeople(term.trim());
      this.#answer({ term, state: "done", people });
    } catch {
      this.#answer({ term, state: "failed", people: [] });
    }
  }

  #answer(found: PeopleFound): void {
    if (this.snapshot.term === found.term) this.#found.set(found);
  }
}
