import { lookFor } from "../../actions/go.ts";
import type { App } from "../../store/App.ts";
import type { PublicRoom, Rooms } from "../../store/Rooms.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import { begins } from "../../store/find.ts";
import { sectionOf, sectionsOf, type Held, type Section } from "../../store/inbox.ts";
import type { Person, Presence, RoomId, RoomSummary, Space } from "../../store/model.ts";
import { Search, type Found } from "../people/Search.ts";

export interface InboxSnapshot {
  readonly ready: boolean;
  readonly me: Person | undefined;
  readonly presence: Presence;
  readonly term: string;
  readonly spaces: readonly Space[];
  /** Only the rooms of this one are shown. */
  readonly space: Space | undefined;
  readonly invitations: readonly RoomSummary[];
  /** Rooms that one has asked to be let into. */
  readonly knocked: readonly RoomSummary[];
  readonly sections: readonly Section[];
  /** People found who have no direct conversation in the list above. */
  readonly people: readonly Person[];
  /** Rooms found that one is not in. */
  readonly published: readonly PublicRoom[];
  readonly search: Found<unknown>["state"];
  readonly drafts: ReadonlyMap<RoomId, string>;
  readonly typing: ReadonlyMap<RoomId, readonly Person[]>;
  readonly open: RoomId | undefined;
  /** The invitation or person something is being done with, and the one where it went wrong. */
  readonly busy: string | undefined;
  readonly failed: string | undefined;
  readonly blocking: RoomSummary | undefined;
}

interface Own {
  readonly term: string;
  readonly space: RoomId | undefined;
  readonly busy: string | undefined;
  readonly failed: string | undefined;
  readonly blocking: RoomSummary | undefined;
}

export class InboxViewModel implements Readable<InboxSnapshot> {
  readonly #app: App;
  readonly #own = new Store<Own>({ term: "", space: undefined, busy: undefined, failed: undefined, blocking: undefined });
  readonly #people: Search<Person>;
  readonly #published: Search<PublicRoom>;
  readonly #derived: Readable<InboxSnapshot>;
  #held: Held | undefined;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App) {
    this.#app = app;
    this.#people = new Search((term) => app.homeserver.rooms.searchPeople(term));
    this.#published = new Search(async (term) => (await app.homeserver.rooms.searchRooms(term)).rooms);
    const drafts = new Derived([app.drafts], (all) => new Map([...all].map(([room, draft]) => [room, draft.text.trim()])));
    const lists = new Derived([app.rooms, app.spaces, app.route, this.#own], (all, spaces, place, own) => {
      const space = spaces.find((one) => one.id === own.space);
      const shown = all.filter((room) => matches(room, own.term) && (space?.rooms.includes(room.id) ?? true));
      const joined = shown.filter((room) => room.membership === "joined");
      const open = place.at === "room" ? place.room : undefined;
      this.#hold(open, all);
      return {
        spaces,
        space,
        open,
        invitations: all.filter((room) => room.membership === "invited" && matches(room, own.term)),
        knocked: all.filter((room) => room.membership === "knocked" && matches(room, own.term)),
        sections: sectionsOf(joined, this.#held),
      };
    });
    const finds = new Derived([app.rooms, this.#people, this.#published], (all, people, published) => {
      const direct = new Set(all.map((room) => room.direct?.id));
      const mine = new Set(all.map((room) => room.id));
      return {
        people: people.items.filter((person) => !direct.has(person.id)),
        published: published.items.filter((room) => !mine.has(room.id) && !room.space),
        search: together(people.state, published.state),
      };
    });
    this.#derived = new Derived([lists, finds, drafts, app.typing, app.session, app.presence, this.#own], (list, found, written, typing, session, presence, own) => {
      const me = session.phase === "open" || session.phase === "opening" ? session.me : undefined;
      return {
        ready: session.phase === "open",
        me,
        presence: presence.get(me?.id ?? "") ?? "online",
        ...list,
        ...found,
        drafts: written,
        typing,
        term: own.term,
        busy: own.busy,
        failed: own.failed,
        blocking: own.blocking,
      };
    });
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): InboxSnapshot {
    return this.#derived.snapshot;
  }

  readonly type = (term: string): void => {
    this.#change({ term });
    if (!this.snapshot.ready) return;
    this.#people.type(term);
    this.#published.type(term);
  };

  /** Looks for what was typed in messages, too. */
  readonly searchMessages = (): void => {
    lookFor(this.#app, this.#own.snapshot.term);
  };

  /** Shows only the rooms of a space; undefined shows all. */
  readonly choose = (space: RoomId | undefined): void => {
    this.#change({ space });
  };

  readonly accept = (room: RoomSummary): Promise<void> =>
    this.#do(room.id, async (rooms) => {
      await rooms.accept(room.id);
      this.#app.route.go(room.space ? { at: "rooms", space: room.id } : { at: "room", room: room.id });
    });

  readonly decline = (room: RoomSummary): Promise<void> => this.#do(room.id, (rooms) => rooms.decline(room.id));

  /** Asks whether whoever sent the invitation is to be blocked. */
  readonly askBlock = (room: RoomSummary | undefined): void => {
    this.#change({ blocking: room });
  };

  /** Declines an invitation, and whatever else comes from the same person. */
  readonly block = (): Promise<void> => {
    const room = this.#own.snapshot.blocking;
    if (room?.inviter === undefined) return Promise.resolve();
    const { id } = room.inviter;
    return this.#do(room.id, async (rooms) => {
      await rooms.decline(room.id);
      await rooms.block(id, true);
      this.#change({ blocking: undefined });
    });
  };

  /** Asks no longer to be let in. */
  readonly withdraw = (room: RoomSummary): Promise<void> => this.#do(room.id, (rooms) => rooms.leave(room.id));

  readonly talkTo = (person: Person): Promise<void> =>
    this.#do(person.id, async (rooms) => {
      const room = await rooms.openDirect(person.id);
      this.type("");
      this.#app.route.go({ at: "room", room });
    });

  /** Remembers where the open room stood when it was opened. */
  #hold(open: RoomId | undefined, all: readonly RoomSummary[]): void {
    if (this.#held?.room === open) return;
    const room = all.find((one) => one.id === open);
    this.#held = room === undefined ? undefined : { room: room.id, section: sectionOf(room) };
  }

  async #do(what: string, act: (rooms: Rooms) => Promise<void>): Promise<void> {
    if (this.#own.snapshot.busy !== undefined) return;
    this.#change({ busy: what, failed: undefined });
    try {
      await act(this.#app.homeserver.rooms);
      this.#change({ busy: undefined });
    } catch {
      this.#change({ busy: undefined, failed: what, blocking: undefined });
    }
  }

  #change(change: Partial<Own>): void {
    this.#own.update((own) => ({ ...own, ...change }));
  }
}

/** Does every word of the term begin some word of the room's name or of the other person's id? */
export function matches(room: RoomSummary, term: string): boolean {
  return term === "" || begins(`${room.name} ${room.direct?.id.slice(1) ?? ""}`, term);
}

function together(...states: readonly Found<unknown>["state"][]): Found<unknown>["state"] {
  if (states.includes("searching")) return "searching";
  return states.includes("failed") ? "failed" : (states[0] ?? "idle");
}
