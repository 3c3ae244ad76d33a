import type { App } from "../store/App.ts";
import { Drafts } from "../store/Drafts.ts";
import { Refusal, type Homeserver, type MediaState } from "../store/Homeserver.ts";
import { Outbox, type Deliver, type OutboxShelf } from "../store/Outbox.ts";
import { Preferences } from "../store/Preferences.ts";
import { Route } from "../store/Route.ts";
import { Store } from "../store/Store.ts";
import type { Connection, Demo, OutboxEntry, Person, RoomSummary, Session, SignInFault, Timeline, Trust } from "../store/model.ts";

/** An App whose stores a test fills by hand and which writes down what the screens ask of the server. */
export interface TestApp extends App {
  readonly session: Store<Session>;
  readonly connection: Store<Connection>;
  readonly rooms: Store<readonly RoomSummary[]>;
  readonly trust: Store<Trust>;
  readonly demo: Store<Demo | undefined>;
  readonly timelines: Map<string, Store<Timeline>>;
  readonly asked: string[];
  /** The next question to the server is refused. */
  refuse: boolean;
  signInFault: SignInFault | undefined;
  directory: readonly Person[];
}

export const anna: Person = { id: "@anna:demo.example", name: "Dr. Anna Weiss" };
export const ben: Person = { id: "@ben:demo.example", name: "Ben Okafor" };
export const chiara: Person = { id: "@chiara:demo.example", name: "Chiara Rossi" };

export class MemoryShelf implements OutboxShelf {
  readonly kept = new Map<string, OutboxEntry>();

  load(): Promise<readonly OutboxEntry[]> {
    return Promise.resolve([...this.kept.values()]);
  }

  put(entry: OutboxEntry): Promise<void> {
    this.kept.set(entry.txn, entry);
    return Promise.resolve();
  }

  remove(txn: string): Promise<void> {
    this.kept.delete(txn);
    return Promise.resolve();
  }
}

export function roomOf(id: string, change: Partial<RoomSummary> = {}): RoomSummary {
  return { id, name: id, direct: undefined, membership: "joined", inviter: undefined, encrypted: true, unread: 0, mentions: 0, at: 0, last: { kind: "none" }, members: 2, ...change };
}

export function timelineOf(room: string, change: Partial<Timeline> = {}): Timeline {
  return { room, items: [], marks: [], typing: [], others: [], history: "start", ...change };
}

export function testApp(deliver: Deliver = () => new Promise(() => undefined), path = "/", now: () => number = () => 0): TestApp {
  const asked: string[] = [];
  const timelines = new Map<string, Store<Timeline>>();
  const session = new Store<Session>({ phase: "open", me: anna, device: "DEVICE" });
  let txn = 0;
  const ask = (what: string): Promise<void> => {
    asked.push(what);
    return app.refuse ? Promise.reject(new Refusal("other", "no")) : Promise.resolve();
  };
  const homeserver: Homeserver = {
    searchPeople: async (term) => {
      await ask(`search ${term}`);
      return app.directory.filter((person) => person.name.toLowerCase().includes(term.toLowerCase()));
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
    leave: (room) => ask(`leave ${room}`),
    timeline: (room) => timelines.get(room),
    media: () => new Store<MediaState>({ state: "failed" }),
    preparePicture: (file) =>
      Promise.resolve(
        file.type.startsWith("image/")
          ? { kind: "picture", name: file.name, picture: file, thumbnail: undefined, width: 4, height: 3, thumbnailWidth: 0, thumbnailHeight: 0 }
          : undefined,
      ),
    loadOlder: (room) => ask(`older ${room}`),
    markRead: (room, item) => ask(`read ${room} ${item}`),
    typing: (room, yes) => {
      asked.push(`typing ${room} ${String(yes)}`);
    },
    retry: () => {
      asked.push("retry");
    },
  };
  let here = path;
  const app: TestApp = {
    account: {
      signIn: (user) => {
        asked.push(`sign in ${user}`);
        return Promise.resolve(app.signInFault);
      },
      signOut: () => ask("sign out"),
      useHere: () => {
        asked.push("use here");
      },
      startOver: () => ask("start over"),
    },
    homeserver,
    outbox: new Outbox({
      shelf: new MemoryShelf(),
      deliver,
      there: (room, event) => timelines.get(room)?.snapshot.items.some((item) => item.id === event) === true,
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
    preferences: new Preferences(new MemoryNames()),
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
    session,
    connection: new Store<Connection>("online"),
    rooms: new Store<readonly RoomSummary[]>([]),
    trust: new Store<Trust>("ready"),
    demo: new Store<Demo | undefined>(undefined),
    now,
    timelines,
    asked,
    refuse: false,
    signInFault: undefined,
    directory: [ben, chiara],
  };
  return app;
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
