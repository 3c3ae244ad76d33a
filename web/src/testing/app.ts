import type { App } from "../store/App.ts";
import type { UnlockAnswer } from "../store/Account.ts";
import { Drafts } from "../store/Drafts.ts";
import { Guide } from "../store/Guide.ts";
import { Refusal, type Homeserver } from "../store/Homeserver.ts";
import type { Member, PublicRoom, RoomDetails, Rooms } from "../store/Rooms.ts";
import { testSearch, type TestSearch } from "./search.ts";
import { testSettings } from "./settings.ts";
import { noWish } from "../store/MessageSearch.ts";
import { Notices } from "../store/Notices.ts";
import { Outbox, type Deliver, type OutboxShelf } from "../store/Outbox.ts";
import { Preferences } from "../store/Preferences.ts";
import { Route } from "../store/Route.ts";
import { Store } from "../store/Store.ts";
import { Unfit, type MediaState, type OutgoingMedia } from "../store/media.ts";
import { testMessages } from "./messages.ts";
import type { Connection, Demo, OutboxEntry, Overlay, Person, Presence, RoomId, RoomSummary, Session, SignInFault, Space, Timeline, Trust, UserId } from "../store/model.ts";
import { testSafety, type TestSafety } from "./safety.ts";

/** An App whose stores a test fills by hand and which writes down what the screens ask of the server. */
export interface TestApp extends App {
  readonly session: Store<Session>;
  readonly connection: Store<Connection>;
  readonly rooms: Store<readonly RoomSummary[]>;
  readonly spaces: Store<readonly Space[]>;
  readonly presence: Store<ReadonlyMap<UserId, Presence>>;
  readonly typing: Store<ReadonlyMap<RoomId, readonly Person[]>>;
  readonly blocked: Store<readonly UserId[]>;
  readonly trust: Store<Trust>;
  readonly safety: TestSafety;
  readonly search: TestSearch;
  readonly updateReady: Store<boolean>;
  readonly demo: Store<Demo | undefined>;
  readonly timelines: Map<string, Store<Timeline>>;
  readonly asked: string[];
  readonly shelf: MemoryShelf;
  /** The next question to the server is refused. */
  refuse: boolean;
  signInFault: SignInFault | undefined;
  unlockAnswer: UnlockAnswer;
  directory: readonly Person[];
  published: readonly PublicRoom[];
  readonly details: Map<string, Store<RoomDetails>>;
}

export const anna: Person = { id: "@anna:demo.example", name: "Dr. Anna Weiss" };
export const ben: Person = { id: "@ben:demo.example", name: "Ben Okafor" };
export const chiara: Person = { id: "@chiara:demo.example", name: "Chiara Rossi" };

export class MemoryShelf implements OutboxShelf {
  readonly kept = new Map<string, OutboxEntry>();
  /** Nothing more can be written. */
  full = false;

  load(): Promise<readonly OutboxEntry[]> {
    return Promise.resolve([...this.kept.values()]);
  }

  read(txn: string): Promise<OutboxEntry | undefined> {
    return Promise.resolve(this.kept.get(txn));
  }

  add(entry: OutboxEntry, instead?: string): Promise<void> {
    if (this.full) return Promise.reject(new Error("no room"));
    if (instead !== undefined) this.kept.delete(instead);
    this.kept.set(entry.txn, entry);
    return Promise.resolve();
  }

  update(entry: OutboxEntry): Promise<void> {
    if (this.full) return Promise.reject(new Error("no room"));
    if (this.kept.has(entry.txn)) this.kept.set(entry.txn, entry);
    return Promise.resolve();
  }

  remove(txn: string): Promise<void> {
    this.kept.delete(txn);
    return Promise.resolve();
  }
}

export function roomOf(id: string, change: Partial<RoomSummary> = {}): RoomSummary {
  return {
    id,
    name: id,
    picture: undefined,
    direct: undefined,
    membership: "joined",
    inviter: undefined,
    space: false,
    encrypted: true,
    unread: 0,
    mentions: 0,
    markedUnread: false,
    tag: undefined,
    notify: "all",
    at: 0,
    last: { kind: "none" },
    members: 2,
    ...change,
  };
}

export function memberOf(person: Person, level = 0, change: Partial<Member> = {}): Member {
  return { person, level, membership: "joined", reason: "", ...change };
}

/** A room that Anna made and where the usual levels hold. */
export function detailsOf(room: string, change: Partial<RoomDetails> = {}): RoomDetails {
  const me = change.me ?? memberOf(anna, Infinity);
  const admin = { history: 100, encrypt: 100, roles: 100, upgrade: 150, joinRule: 100 };
  return {
    room,
    name: "",
    topic: "",
    joinRule: "invite",
    history: "shared",
    encrypted: true,
    me,
    people: [me],
    knocking: [],
    banned: [],
    needs: { write: 0, invite: 0, remove: 50, ban: 50, redact: 50, announce: 50, pin: 50, name: 50, topic: 50, picture: 50, ...admin },
    replacement: undefined,
    members: "all",
    ...change,
  };
}

export function timelineOf(room: string, change: Partial<Timeline> = {}): Timeline {
  return { room, items: [], marks: [], delivered: [], typing: [], others: [], history: "start", newer: "live", behind: 0, unread: undefined, pinned: [], powers: { pin: true, remove: false, expiry: true, mentionRoom: true }, expiry: undefined, ...change };
}

export function mediaOf(file: File, change: Partial<OutgoingMedia> = {}): OutgoingMedia {
  const as = file.type.startsWith("image/") ? "picture" : "file";
  return { kind: "media", as, name: file.name, caption: "", blob: file, width: 4, height: 3, duration: undefined, waveform: [], blurhash: undefined, thumbnail: undefined, thumbnailWidth: 0, thumbnailHeight: 0, ...change };
}

export function testApp(deliver: Deliver = () => new Promise(() => undefined), path = "/", now: () => number = () => 0): TestApp {
  const asked: string[] = [];
  const shelf = new MemoryShelf();
  const timelines = new Map<string, Store<Timeline>>();
  const session = new Store<Session>({ phase: "open", me: anna, device: "DEVICE" });
  let txn = 0;
  const ask = (what: string): Promise<void> => {
    asked.push(what);
    return app.refuse ? Promise.reject(new Refusal("other", "no")) : Promise.resolve();
  };
  const search = testSearch(ask);
  const homeserver: Homeserver = {
    search,
    settings: testSettings(ask),
    rooms: testRooms(ask, () => app),
    messages: testMessages(ask, () => app),
    timeline: (room) => timelines.get(room),
    media: () => new Store<MediaState>({ state: "failed" }),
    retryMedia: () => undefined,
    prepare: (file, wish) =>
      file.type.startsWith("image/") || wish.as !== "media" ? Promise.resolve(mediaOf(file, { caption: wish.caption })) : Promise.reject(new Unfit("unreadable")),
    uploadLimit: () => Promise.resolve(undefined),
    typing: (room, yes) => {
      asked.push(`typing ${room} ${String(yes)}`);
    },
    retry: () => {
      asked.push("retry");
    },
  };
  let here = path;
  const updateReady = new Store(false);
  const memory = new MemoryNames();
  const trust = new Store<Trust>("ready");
  const safety = testSafety(ask);
  const app: TestApp = {
    account: {
      signIn: (user) => {
        asked.push(`sign in ${user}`);
        return Promise.resolve(app.signInFault);
      },
      signOut: () => ask("sign out"),
      lock: () => ask("lock"),
      unlock: async (password) => {
        await ask(`unlock ${password}`);
        return app.unlockAnswer;
      },
      tryAgain: () => {
        asked.push("try again");
      },
      startOver: () => ask("start over"),
    },
    homeserver,
    safety,
    guide: new Guide({ session, trust, recovery: safety.recovery, verification: safety.verification }, memory, now),
    updates: {
      ready: updateReady,
      apply: () => {
        asked.push("update");
      },
    },
    outbox: new Outbox({
      shelf,
      deliver,
      upload: () => Promise.resolve({ blob: "mxc://demo.example/1", thumbnail: undefined }),
      keepBack: () => undefined,
      arrived: ({ room, txn, event }) => timelines.get(room)?.snapshot.items.some((item) => item.id === event || (item.kind === "message" && item.txn === txn)) === true,
      now,
      newTxn: () => `txn${String(++txn)}`,
      later: (ms, then) => {
        const timer = setTimeout(then, ms);
        return () => {
          clearTimeout(timer);
        };
      },
    }),
    drafts: new Drafts(),
    preferences: new Preferences(memory),
    route: new Route({
      get path() {
        return here;
      },
      push: (next) => {
        here = next;
      },
      replace: (next) => {
        here = next;
      },
      listen: () => undefined,
    }),
    notices: new Notices(),
    overlay: new Store<Overlay>("none"),
    wish: new Store(noWish),
    search,
    session,
    connection: new Store<Connection>("online"),
    rooms: new Store<readonly RoomSummary[]>([]),
    spaces: new Store<readonly Space[]>([]),
    presence: new Store<ReadonlyMap<UserId, Presence>>(new Map()),
    typing: new Store<ReadonlyMap<RoomId, readonly Person[]>>(new Map()),
    blocked: new Store<readonly UserId[]>([]),
    trust,
    demo: new Store<Demo | undefined>(undefined),
    outside: { allowed: () => "ask", ask: () => Promise.resolve(true) },
    now,
    updateReady,
    timelines,
    asked,
    shelf,
    refuse: false,
    signInFault: undefined,
    unlockAnswer: { kind: "open" },
    directory: [ben, chiara],
    published: [],
    details: new Map(),
  };
  return app;
}

function testRooms(ask: (what: string) => Promise<void>, app: () => TestApp): Rooms {
  const search = <T extends { readonly name: string }>(all: readonly T[], term: string): readonly T[] => all.filter(({ name }) => name.toLowerCase().includes(term.toLowerCase()));
  return {
    searchPeople: async (term) => {
      await ask(`search ${term}`);
      return search(app().directory, term);
    },
    searchRooms: async (term, from) => {
      await ask(`rooms ${term}${from ?? ""}`);
      return { rooms: search(app().published, term), next: undefined };
    },
    hierarchy: async (space) => {
      await ask(`hierarchy ${space}`);
      return app().published;
    },
    openDirect: async (person) => {
      await ask(`direct ${person}`);
      return `!direct-${person}`;
    },
    createGroup: async (name, people) => {
      await ask(`group ${name}: ${people.join(", ")}`);
      return "!group";
    },
    accept: (room) => ask(`accept ${room}`),
    decline: (room) => ask(`decline ${room}`),
    join: (room) => ask(`join ${room}`),
    knock: (room, reason) => ask(`knock ${room} ${reason}`),
    leave: (room) => ask(`leave ${room}`),
    forget: (room) => ask(`forget ${room}`),
    setTag: (room, tag) => ask(`tag ${room} ${tag ?? "none"}`),
    setNotify: (room, notify) => ask(`notify ${room} ${notify}`),
    markUnread: (room) => ask(`unread ${room}`),
    markAllRead: (room) => ask(`all read ${room}`),
    block: (person, blocked) => ask(`${blocked ? "block" : "unblock"} ${person}`),
    report: (room, reason) => ask(`report ${room} ${reason}`),
    setPresence: (presence) => ask(`presence ${presence}`),
    details: (room) => app().details.get(room),
    invite: (room, person) => ask(`invite ${room} ${person}`),
    remove: (room, person) => ask(`remove ${room} ${person}`),
    ban: (room, person, reason) => ask(`ban ${room} ${person} ${reason}`),
    unban: (room, person) => ask(`unban ${room} ${person}`),
    setLevel: (room, person, level) => ask(`level ${room} ${person} ${String(level)}`),
    setNeeds: (room, permission, level) => ask(`needs ${room} ${permission} ${String(level)}`),
    setName: (room, name) => ask(`name ${room} ${name}`),
    setTopic: (room, topic) => ask(`topic ${room} ${topic}`),
    setPicture: (room, picture) => ask(`picture ${room} ${picture?.type ?? "none"}`),
    setJoinRule: (room, rule) => ask(`rule ${room} ${rule}`),
    setHistory: (room, history) => ask(`history ${room} ${history}`),
    encrypt: (room) => ask(`encrypt ${room}`),
    listed: async (room) => {
      await ask(`listed ${room}`);
      return false;
    },
    setListed: (room, listed) => ask(`list ${room} ${String(listed)}`),
  };
}

class MemoryNames {
  readonly #values = new Map<string, string>();

  getItem(name: string): string | null {
    return this.#values.get(name) ?? null;
  }

  setItem(name: string, value: string): void {
    this.#values.set(name, value);
  }
}
