import { can, perform, type Action } from "../../actions/Action.ts";
import { commands } from "../../actions/commands.ts";
import { lookFor, openPalette } from "../../actions/go.ts";
import type { Word } from "../../i18n/language.ts";
import type { App } from "../../store/App.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import { begins } from "../../store/find.ts";
import type { Person, RoomSummary } from "../../store/model.ts";
import { Search, type Found } from "../people/Search.ts";

export type PaletteItem =
  | { readonly kind: "room"; readonly id: string; readonly room: RoomSummary }
  | { readonly kind: "person"; readonly id: string; readonly person: Person }
  | { readonly kind: "action"; readonly id: string; readonly action: Action }
  /** Messages with the words that were typed. */
  | { readonly kind: "messages"; readonly id: string };

export interface PaletteSnapshot {
  readonly term: string;
  readonly items: readonly PaletteItem[];
  /** The item that Enter takes. */
  readonly active: number;
  readonly search: Found<Person>["state"];
}

const recent = 5;
const most = 8;

/** One field for everything: conversations, people and commands, by the beginnings of their words. */
export class PaletteViewModel implements Readable<PaletteSnapshot> {
  readonly #app: App;
  readonly #search: Search<Person>;
  readonly #typed = new Store({ term: "", active: 0 });
  readonly #derived: Readable<PaletteSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  /** `say` gives a command's name in the language of the screen, for that is what somebody types. */
  constructor(app: App, say: (key: Word) => string) {
    this.#app = app;
    this.#search = new Search((term) => app.homeserver.rooms.searchPeople(term));
    const items = new Derived([app.rooms, this.#search, this.#typed, app.preferences], (rooms, found, { term }) => [
      ...roomItems(rooms, term),
      ...(term === "" ? [] : personItems(found.items, rooms)),
      ...commands
        .filter((action) => action !== openPalette && can(app, action, undefined) && begins(say(action.label), term))
        .map((action): PaletteItem => ({ kind: "action", id: action.id, action })),
      ...(term.trim() === "" ? [] : [{ kind: "messages" as const, id: "messages" }]),
    ]);
    this.#derived = new Derived([items, this.#search, this.#typed], (shown, found, { term, active }) => ({
      term,
      items: shown,
      active: Math.min(active, Math.max(shown.length - 1, 0)),
      search: found.state,
    }));
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): PaletteSnapshot {
    return this.#derived.snapshot;
  }

  readonly type = (term: string): void => {
    this.#typed.set({ term, active: 0 });
    this.#search.type(term);
  };

  /** Moves the choice up or down, around the ends. */
  readonly move = (step: 1 | -1): void => {
    const { items, active } = this.snapshot;
    if (items.length > 0) this.#typed.update((typed) => ({ ...typed, active: (active + step + items.length) % items.length }));
  };

  readonly close = (): void => {
    this.#app.overlay.set("none");
  };

  readonly take = async (item: PaletteItem | undefined): Promise<void> => {
    if (item === undefined) return;
    const { term } = this.snapshot;
    this.close();
    switch (item.kind) {
      case "room":
        this.#app.route.go({ at: "room", room: item.room.id });
        return;
      case "messages":
        lookFor(this.#app, term);
        return;
      case "action":
        return perform(this.#app, item.action, undefined);
      case "person":
        try {
          this.#app.route.go({ at: "room", room: await this.#app.homeserver.rooms.openDirect(item.person.id) });
        } catch {
          this.#app.notices.tell("failed");
        }
    }
  };
}

function roomItems(rooms: readonly RoomSummary[], term: string): PaletteItem[] {
  const found = rooms.filter((room) => room.membership === "joined" && begins(`${room.name} ${room.direct?.id.slice(1) ?? ""}`, term));
  return found.slice(0, term === "" ? recent : most).map((room) => ({ kind: "room", id: room.id, room }));
}

/** People with whom there is no direct conversation yet: the others are found as their conversation. */
function personItems(people: readonly Person[], rooms: readonly RoomSummary[]): PaletteItem[] {
  const known = new Set(rooms.map((room) => room.direct?.id));
  return people
    .filter((person) => !known.has(person.id))
    .slice(0, most)
    .map((person) => ({ kind: "person", id: person.id, person }));
}
