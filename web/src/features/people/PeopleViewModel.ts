import type { App } from "../../store/App.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { Person, UserId } from "../../store/model.ts";
import { Search, type Found } from "./Search.ts";

export interface PeopleSnapshot {
  readonly term: string;
  readonly search: Found<Person>["state"];
  readonly found: readonly { readonly person: Person; readonly chosen: boolean }[];
  readonly chosen: readonly Person[];
  readonly blocked: readonly UserId[];
  readonly groupName: string;
  readonly busy: boolean;
  readonly failed: boolean;
}

interface Choice {
  readonly chosen: readonly Person[];
  readonly groupName: string;
  readonly busy: boolean;
  readonly failed: boolean;
}

/** Starting a conversation: one person makes it direct, several make a group. */
export class PeopleViewModel implements Readable<PeopleSnapshot> {
  readonly #app: App;
  readonly #choice = new Store<Choice>({ chosen: [], groupName: "", busy: false, failed: false });
  readonly #search: Search<Person>;
  readonly #derived: Readable<PeopleSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App) {
    this.#app = app;
    this.#search = new Search((term) => app.homeserver.rooms.searchPeople(term));
    this.#derived = new Derived([this.#search, this.#choice, app.blocked], (found, choice, blocked) => ({
      term: found.term,
      search: found.state,
      found: found.items.map((person) => ({ person, chosen: choice.chosen.some((one) => one.id === person.id) })),
      blocked,
      ...choice,
    }));
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): PeopleSnapshot {
    return this.#derived.snapshot;
  }

  readonly type = (term: string): void => {
    this.#search.type(term);
  };

  readonly toggle = (person: Person): void => {
    this.#choice.update((choice) => {
      const without = choice.chosen.filter((one) => one.id !== person.id);
      const chosen = without.length === choice.chosen.length ? [...choice.chosen, person] : without;
      return { ...choice, chosen, failed: false };
    });
  };

  readonly nameGroup = (groupName: string): void => {
    this.#choice.update((choice) => ({ ...choice, groupName }));
  };

  readonly unblock = async (person: UserId): Promise<void> => {
    this.#choice.update((choice) => ({ ...choice, busy: true, failed: false }));
    try {
      await this.#app.homeserver.rooms.block(person, false);
    } catch {
      this.#app.notices.tell("failed");
    }
    this.#choice.update((choice) => ({ ...choice, busy: false }));
  };

  readonly start = async (): Promise<void> => {
    const { chosen, groupName, busy } = this.snapshot;
    const [first, ...others] = chosen;
    if (busy || first === undefined) return;
    this.#choice.update((choice) => ({ ...choice, busy: true, failed: false }));
    try {
      const { homeserver, route } = this.#app;
      const room =
        others.length === 0 && groupName.trim() === ""
          ? await homeserver.rooms.openDirect(first.id)
          : await homeserver.rooms.createGroup(
              groupName.trim(),
              chosen.map((person) => person.id),
            );
      route.replace({ at: "room", room });
    } catch {
      this.#choice.update((choice) => ({ ...choice, busy: false, failed: true }));
    }
  };
}
