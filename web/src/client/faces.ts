import type { Homeserver } from "../store/Homeserver.ts";
import { noReach, type MessageSearch } from "../store/MessageSearch.ts";
import type { Messages } from "../store/Messages.ts";
import { permissions, type Permission, type RoomDetails, type Rooms } from "../store/Rooms.ts";
import type { Safety } from "../store/Safety.ts";
import type { Settings } from "../store/Settings.ts";
import type { Store } from "../store/Store.ts";
import type { RoomId, Timeline } from "../store/model.ts";
import { Face } from "./face.ts";
import { whereHere } from "./here.ts";
import type { Tabs } from "./tabs.ts";

/** What lives in the tab that holds the session. */
export interface Live {
  readonly homeserver: Homeserver;
  readonly safety: Safety;
}

/** Whether a room is on the list, and what is known of its timeline from the last time. */
export interface Known {
  has(room: RoomId): boolean;
  readonly recovery: Safety["recovery"];
  readonly verification: Safety["verification"];
  /** A conversation is looked at for the first time. */
  onTimeline(room: RoomId, store: Store<Timeline>): void;
}

/** The objects that screens hold, wherever what they stand for lives: in this tab, in another one, or nowhere yet. */
export class Faces {
  readonly homeserver: Homeserver;
  readonly safety: Safety;
  readonly #homeserver: Face<Homeserver>;
  readonly #rooms: Face<Rooms>;
  readonly #messages: Face<Messages>;
  readonly #search: Face<MessageSearch>;
  readonly #settings: Face<Settings>;
  readonly #safety: Face<Safety>;

  constructor(known: Known) {
    this.#rooms = new Face<Rooms>("rooms", { details: (room) => (known.has(room) ? noDetails(room) : undefined) }, {}, {});
    this.#messages = new Face<Messages>(
      "messages",
      { thread: (room) => (known.has(room) ? noTimeline(room) : undefined), scheduled: () => ({ able: false, messages: [] }), savedReplies: () => [] },
      { enter: true, follow: true, toNewest: true },
      { here: whereHere },
    );
    this.#search = new Face<MessageSearch>("search", { reach: () => noReach }, { stop: true }, {});
    this.#settings = new Face<Settings>("settings", {}, {}, {});
    this.#homeserver = new Face<Homeserver>(
      "homeserver",
      {
        timeline: (room) => (known.has(room) ? noTimeline(room) : undefined),
        media: () => ({ state: "loading" }),
      },
      { typing: true, retry: true, retryMedia: true },
      { rooms: this.#rooms.outside, messages: this.#messages.outside, search: this.#search.outside, settings: this.#settings.outside, prepare: async (file, wish) => (await import("./prepare.ts")).prepare(file, wish) },
      (method, [room], store) => {
        if (method === "timeline") known.onTimeline(String(room), store as Store<Timeline>);
      },
    );
    this.#safety = new Face<Safety>("safety", { identity: () => "unknown" }, {}, { recovery: known.recovery, verification: known.verification });
    this.homeserver = this.#homeserver.outside;
    this.safety = this.#safety.outside;
  }

  /** What other tabs may call. */
  get targets(): Readonly<Record<string, object>> {
    return { homeserver: this.homeserver, rooms: this.homeserver.rooms, messages: this.homeserver.messages, search: this.homeserver.search, settings: this.homeserver.settings, safety: this.safety };
  }

  switch(to: { readonly here: Live } | { readonly tabs: Tabs } | undefined): void {
    const at = <T extends object>(pick: (live: Live) => T): { readonly here: T } | { readonly tabs: Tabs } | undefined =>
      to !== undefined && "here" in to ? { here: pick(to.here) } : to;
    this.#homeserver.switch(at(({ homeserver }) => homeserver));
    this.#rooms.switch(at(({ homeserver }) => homeserver.rooms));
    this.#messages.switch(at(({ homeserver }) => homeserver.messages));
    this.#search.switch(at(({ homeserver }) => homeserver.search));
    this.#settings.switch(at(({ homeserver }) => homeserver.settings));
    this.#safety.switch(at(({ safety }) => safety));
  }

  /** Rooms have come: looks again for what was not there. */
  lookAgain(): void {
    this.#homeserver.lookAgain();
    this.#rooms.lookAgain();
    this.#messages.lookAgain();
  }
}

/** What is shown of a conversation until it is there. */
function noTimeline(room: RoomId): Timeline {
  const nothing = { items: [], marks: [], delivered: [], typing: [], others: [], pinned: [], behind: 0, unread: undefined, expiry: undefined };
  return { room, ...nothing, history: "loading", newer: "live", powers: { pin: false, remove: false, expiry: false, mentionRoom: false } };
}

/** What is shown of a room's settings until they are there: nothing may be changed. */
function noDetails(room: RoomId): RoomDetails {
  const needs = Object.fromEntries(permissions.map((permission) => [permission, Infinity])) as Record<Permission, number>;
  const nobody = { people: [], knocking: [], banned: [], me: undefined };
  return { room, name: "", topic: "", joinRule: "invite", history: "shared", encrypted: true, ...nobody, needs, replacement: undefined, members: "loading" };
}
