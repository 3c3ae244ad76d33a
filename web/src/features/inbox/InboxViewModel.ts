import type { App } from "../../store/App.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import { begins } from "../../store/find.ts";
import type { Person, RoomId, RoomSummary } from "../../store/model.ts";
import { PeopleSearch, type PeopleFound } from "../people/PeopleSearch.ts";

export interface InboxSnapshot {
  readonly ready: boolean;
  readonly term: string;
  readonly invitations: readonly RoomSummary[];
  readonly rooms: readonly RoomSummary[];
  /** People found who have no direct conversation in the list above. */
  readonly people: readonly Person[];
  readonly search: PeopleFound["state"];
  readonly open: RoomId | undefined;
  /** The invitation or person something is being done with, and the one where it went wrong. */
  readonly busy: string | undefined;
  readonly failed: string | undefined;
}

interface Work {
  readonly busy: string | undefined;
  readonly failed: string | undefined;
}

export class InboxViewModel implements Readable<InboxSnapshot> {
  readonly #app: App;
  readonly #term = new Store("");
  readonly #work = new Store<Work>({ busy: undefined, failed: undefined });
  readonly #search: PeopleSearch;
  readonly #derived: Readable<InboxSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App) {
    this.#app = app;
    this.#search = new PeopleSearch(() => app.homeserver);
    this.#derived = new Derived(
      [app.rooms, app.session, app.route, this.#term, this.#search, this.#work],
      (all, session, place, term, found, work) => {
        const shown = all.filter((room) => matches(room, term));
        const rooms = shown.filter((room) => room.membership === "joined");
        const known = new Set(rooms.map((room) => room.direct?.id));
        return {
          ready: session.phase === "open",
          term,
          invitations: shown.filter((room) => room.membership === "invited"),
          rooms,
          people: term === "" ? [] : found.people.filter((person) => !known.has(person.id)),
          search: term === "" ? "idle" : found.state,
          open: place.at === "room" ? place.room : undefined,
          ...work,
        };
      },
    );
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): InboxSnapshot {
    return this.#derived.snapshot;
  }

  readonly type = (term: string): void => {
    this.#term.set(term);
    if (this.snapshot.ready) this.#search.type(term);
  };

  readonly accept = (room: RoomId): Promise<void> =>
    this.#do(room, async () => {
      await this.#app.homeserver.rooms.accept(room);
      this.#app.route.go({ at: "room", room });
    });

  readonly decline = (room: RoomId): Promise<void> => this.#do(room, () => this.#app.homeserver.rooms.decline(room));

  readonly talkTo = (person: Person): Promise<void> =>
    this.#do(person.id, async () => {
      const room = await this.#app.homeserver.rooms.openDirect(person.id);
      this.type("");
      this.#app.route.go({ at: "room", room });
    });

  async #do(what: string, act: () => Promise<void>): Promise<void> {
    if (this.#work.snapshot.busy !== undefined) return;
    this.#work.set({ busy: what, failed: undefined });
    try {
      await act();
      this.#work.set({ busy: undefined, failed: undefined });
    } catch {
      this.#work.set({ busy: undefined, failed: what });
    }
  }
}

/** Does every word of the term begin some word of the room's name or of the other person's id? */
export function matches(room: RoomSummary, term: string): boolean {
  return begins(`${room.name} ${room.direct?.id.slice(1) ?? ""}`, term);
}
