import type { App } from "../../store/App.ts";
import type { History, JoinRule, Member, Permission, RoomDetails, Rooms } from "../../store/Rooms.ts";
import type { Pane } from "../../store/Route.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { Notify, Person, Presence, RoomId, RoomSummary, Tag, UserId } from "../../store/model.ts";
import { roleLevels, type GivenRole } from "../../store/roles.ts";
import { Search, type Found } from "../people/Search.ts";
import { RoomStoreOf } from "../room/RoomStoreOf.ts";

/** What is asked again before it is done. */
export type Question =
  | { readonly about: "leave" | "encrypt" | "report" }
  | { readonly about: "person" | "remove" | "ban" | "block"; readonly member: Member }
  | { readonly about: "role"; readonly member: Member; readonly role: GivenRole };

export interface PaneSnapshot {
  readonly pane: Pane;
  readonly room: RoomSummary | undefined;
  readonly details: RoomDetails | undefined;
  readonly presence: ReadonlyMap<UserId, Presence>;
  readonly blocked: readonly UserId[];
  readonly question: Question | undefined;
  /** What somebody writes as the reason of what they are asked about. */
  readonly reason: string;
  readonly busy: boolean;
  readonly failed: boolean;
  /** Is the room in the list that everybody can search? Undefined until it is known. */
  readonly listed: boolean | undefined;
  readonly found: Found<Person>;
  /** What was changed in the fields and not saved yet. */
  readonly name: string | undefined;
  readonly topic: string | undefined;
  /** A report has reached the administrators. */
  readonly reported: boolean;
}

interface Own {
  readonly question: Question | undefined;
  readonly reason: string;
  readonly busy: boolean;
  readonly failed: boolean;
  readonly listed: boolean | undefined;
  readonly name: string | undefined;
  readonly topic: string | undefined;
  readonly reported: boolean;
}

/** What stands beside a conversation: its people, its settings and one's own choices about it. */
export class PaneViewModel implements Readable<PaneSnapshot> {
  readonly #app: App;
  readonly #room: RoomId;
  readonly #own = new Store<Own>({
    question: undefined,
    reason: "",
    busy: false,
    failed: false,
    listed: undefined,
    name: undefined,
    topic: undefined,
    reported: false,
  });
  readonly #search: Search<Person>;
  readonly #derived: Readable<PaneSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App, id: RoomId) {
    this.#app = app;
    this.#room = id;
    this.#search = new Search((term) => app.homeserver.rooms.searchPeople(term));
    const details = new RoomStoreOf(app, (homeserver) => homeserver.rooms.details(id));
    this.#derived = new Derived(
      [app.route, app.rooms, details, app.presence, app.blocked, this.#search, this.#own],
      (place, rooms, details, presence, blocked, found, own) => ({
        pane: (place.at === "room" ? place.pane : undefined) ?? "about",
        room: rooms.find((room) => room.id === id),
        details,
        presence,
        blocked,
        found: { ...found, items: found.items.filter((person) => details?.people.some((member) => member.person.id === person.id) !== true) },
        ...own,
      }),
    );
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): PaneSnapshot {
    return this.#derived.snapshot;
  }

  readonly close = (): void => {
    this.#app.route.go({ at: "room", room: this.#room });
  };

  // Questions.

  readonly ask = (question: Question): void => {
    this.#change({ question, reason: "", failed: false });
  };

  readonly cancel = (): void => {
    this.#change({ question: undefined, failed: false });
  };

  readonly say = (reason: string): void => {
    this.#change({ reason });
  };

  readonly setRole = (member: Member, role: GivenRole): Promise<void> => this.#do((rooms) => rooms.setLevel(this.#room, member.person.id, roleLevels[role]));

  readonly remove = (member: Member): Promise<void> => this.#do((rooms) => rooms.remove(this.#room, member.person.id));

  readonly ban = (member: Member): Promise<void> => this.#do((rooms) => rooms.ban(this.#room, member.person.id, this.#own.snapshot.reason.trim()));

  readonly unban = (member: Member): Promise<void> => this.#do((rooms) => rooms.unban(this.#room, member.person.id));

  readonly block = (person: UserId, blocked: boolean): Promise<void> => this.#do((rooms) => rooms.block(person, blocked));

  readonly encrypt = (): Promise<void> => this.#do((rooms) => rooms.encrypt(this.#room));

  readonly report = (): Promise<void> =>
    this.#do(async (rooms) => {
      await rooms.report(this.#room, this.#own.snapshot.reason.trim());
      this.#change({ reported: true });
    });

  /** Leaves; with `forget` the history goes too. */
  readonly leave = (forget: boolean): Promise<void> =>
    this.#do(async (rooms) => {
      await (forget ? rooms.forget(this.#room) : rooms.leave(this.#room));
      this.#app.route.replace({ at: "inbox" });
    });

  // People.

  readonly find = (term: string): void => {
    this.#search.type(term);
  };

  readonly invite = (person: Person): Promise<void> =>
    this.#do(async (rooms) => {
      await rooms.invite(this.#room, person.id);
      this.#search.type("");
    });

  /** Answers somebody who asks to be let in. */
  readonly answer = (member: Member, accept: boolean): Promise<void> =>
    this.#do((rooms) => (accept ? rooms.invite(this.#room, member.person.id) : rooms.remove(this.#room, member.person.id)));

  readonly write = (person: UserId): Promise<void> =>
    this.#do(async (rooms) => {
      this.#app.route.go({ at: "room", room: await rooms.openDirect(person) });
    });

  // One's own choices.

  readonly setNotify = (notify: Notify): Promise<void> => this.#do((rooms) => rooms.setNotify(this.#room, notify));

  readonly setTag = (tag: Tag, on: boolean): Promise<void> => this.#do((rooms) => rooms.setTag(this.#room, on ? tag : undefined));

  // The room's settings.

  readonly typeName = (name: string): void => {
    this.#change({ name });
  };

  readonly typeTopic = (topic: string): void => {
    this.#change({ topic });
  };

  readonly saveName = (): Promise<void> =>
    this.#do(async (rooms) => {
      const { name } = this.#own.snapshot;
      if (name !== undefined) await rooms.setName(this.#room, name.trim());
      this.#change({ name: undefined });
    });

  readonly saveTopic = (): Promise<void> =>
    this.#do(async (rooms) => {
      const { topic } = this.#own.snapshot;
      if (topic !== undefined) await rooms.setTopic(this.#room, topic.trim());
      this.#change({ topic: undefined });
    });

  /** A small picture, without its place and camera. */
  readonly setPicture = (file: File | undefined): Promise<void> =>
    this.#do(async (rooms) => {
      const media = file === undefined ? undefined : await this.#app.homeserver.prepare(file, { as: "media", size: "small", caption: "" });
      await rooms.setPicture(this.#room, media?.thumbnail ?? media?.blob);
    });

  readonly setJoinRule = (rule: JoinRule): Promise<void> => this.#do((rooms) => rooms.setJoinRule(this.#room, rule));

  readonly setHistory = (history: History): Promise<void> => this.#do((rooms) => rooms.setHistory(this.#room, history));

  readonly setNeeds = (permission: Permission, level: number): Promise<void> => this.#do((rooms) => rooms.setNeeds(this.#room, permission, level));

  /** Asks the server once whether the room can be found. */
  readonly lookListed = async (): Promise<void> => {
    if (this.#own.snapshot.listed !== undefined) return;
    try {
      this.#change({ listed: await this.#app.homeserver.rooms.listed(this.#room) });
    } catch {
      // The switch stays away until the page is opened again.
    }
  };

  readonly setListed = (listed: boolean): Promise<void> =>
    this.#do(async (rooms) => {
      await rooms.setListed(this.#room, listed);
      this.#change({ listed });
    });

  async #do(act: (rooms: Rooms) => Promise<void>): Promise<void> {
    if (this.#own.snapshot.busy) return;
    this.#change({ busy: true, failed: false });
    try {
      await act(this.#app.homeserver.rooms);
      this.#change({ busy: false, question: undefined });
    } catch {
      this.#change({ busy: false, failed: true });
    }
  }

  #change(change: Partial<Own>): void {
    this.#own.update((own) => ({ ...own, ...change }));
  }
}
