import type { Account } from "./Account.ts";
import type { Drafts } from "./Drafts.ts";
import type { Guide } from "./Guide.ts";
import type { Homeserver } from "./Homeserver.ts";
import type { Wish } from "./MessageSearch.ts";
import type { Notices } from "./Notices.ts";
import type { Outbox } from "./Outbox.ts";
import type { Preferences } from "./Preferences.ts";
import type { Route } from "./Route.ts";
import type { Safety } from "./Safety.ts";
import type { Readable, Store } from "./Store.ts";
import type { Updates } from "./Updates.ts";
import type { Connection, Demo, Overlay, Person, Presence, RoomId, RoomSummary, Session, Space, Trust, UserId } from "./model.ts";

export interface Outside {
  readonly allowed: () => "yes" | "no" | "ask";
  readonly ask: () => Promise<boolean>;
}

/** Everything the screens are made from. main.tsx puts it together once. */
export interface App {
  readonly account: Account;
  readonly homeserver: Homeserver;
  readonly safety: Safety;
  readonly outbox: Outbox;
  readonly drafts: Drafts;
  readonly guide: Guide;
  readonly updates: Updates;
  readonly preferences: Preferences;
  readonly route: Route;
  readonly notices: Notices;
  /** What lies over the whole app. */
  readonly overlay: Store<Overlay>;
  /** Which messages somebody looks for. */
  readonly wish: Store<Wish>;
  readonly session: Readable<Session>;
  readonly connection: Readable<Connection>;
  readonly rooms: Readable<readonly RoomSummary[]>;
  readonly spaces: Readable<readonly Space[]>;
  /** Who is there, as far as the server has told. */
  readonly presence: Readable<ReadonlyMap<UserId, Presence>>;
  /** Who is writing in which room. */
  readonly typing: Readable<ReadonlyMap<RoomId, readonly Person[]>>;
  /** Whose messages and invitations never arrive. */
  readonly blocked: Readable<readonly UserId[]>;
  readonly trust: Readable<Trust>;
  /** Undefined while it is not known whether this is a demo, and when it is none. */
  readonly demo: Readable<Demo | undefined>;
  /** Lines outside the app: whether the browser lets us, and asking it to. */
  readonly outside: Outside;
  readonly now: () => number;
}
