import { Store, type Readable } from "./Store.ts";
import type { RoomId } from "./model.ts";

/** What stands beside a conversation, or over it on a phone. */
export const panes = ["about", "people", "settings", "permissions", "files", "pins"] as const;

export type Pane = (typeof panes)[number];

/** What else of a conversation may stand there. */
export const sides = ["threads", "search"] as const;

export type Side = (typeof sides)[number];

/** What can be set about oneself and the app. */
export const sections = ["profile", "appearance", "notifications", "devices", "about"] as const;

export type Section = (typeof sections)[number];

/** Where in the app somebody is. The address bar is the only place that remembers it. */
export type Place =
  | { readonly at: "inbox" }
  /** `item` is a message to go to, `thread` the first message of a thread that stands beside it. */
  | { readonly at: "room"; readonly room: RoomId; readonly pane?: Pane; readonly item?: string; readonly thread?: string; readonly side?: Side }
  /** Messages of all conversations by their words. */
  | { readonly at: "search" }
  | { readonly at: "people" }
  /** Rooms that one is not in yet: the published ones, or those of a space. */
  | { readonly at: "rooms"; readonly space?: RoomId }
  | { readonly at: "me"; readonly section?: Section };

/** The part of the browser that remembers places; a test gives its own. */
export interface History {
  readonly path: string;
  push(path: string): void;
  replace(path: string): void;
  listen(listener: () => void): void;
}

export function pathOf(place: Place): string {
  switch (place.at) {
    case "inbox":
      return "/";
    case "room": {
      const room = `/room/${encodeURIComponent(place.room)}`;
      if (place.thread !== undefined) return `${room}/thread/${encodeURIComponent(place.thread)}`;
      if (place.item !== undefined) return `${room}/message/${encodeURIComponent(place.item)}${place.side === "search" ? "/search" : ""}`;
      const beside = place.pane ?? place.side;
      return beside === undefined ? room : `${room}/${beside}`;
    }
    case "search":
      return "/search";
    case "people":
      return "/people";
    case "rooms":
      return place.space === undefined ? "/rooms" : `/rooms/${encodeURIComponent(place.space)}`;
    case "me":
      return place.section === undefined ? "/me" : `/me/${place.section}`;
  }
}

export function placeOf(path: string): Place {
  const [first = "", second = "", third = "", fourth = "", fifth = ""] = path.split("/").filter((part) => part !== "");
  if (first === "search") return { at: "search" };
  if (first === "people") return { at: "people" };
  if (first === "me") {
    const section = sections.find((one) => one === second);
    return section === undefined ? { at: "me" } : { at: "me", section };
  }
  if (first === "rooms" && second === "") return { at: "rooms" };
  const id = second === "" ? undefined : decoded(second);
  if (id === undefined) return { at: "inbox" };
  if (first === "rooms") return { at: "rooms", space: id };
  if (first !== "room") return { at: "inbox" };
  const event = fourth === "" ? undefined : decoded(fourth);
  if (third === "thread" && event !== undefined) return { at: "room", room: id, thread: event };
  if (third === "message" && event !== undefined) return { at: "room", room: id, item: event, ...(fifth === "search" ? { side: "search" as const } : {}) };
  const side = sides.find((one) => one === third);
  if (side !== undefined) return { at: "room", room: id, side };
  const pane = panes.find((one) => one === third);
  return pane === undefined ? { at: "room", room: id } : { at: "room", room: id, pane };
}

/** Undefined for something that pathOf did not write. */
function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

export class Route implements Readable<Place> {
  readonly #history: History;
  readonly #place: Store<Place>;

  constructor(history: History) {
    this.#history = history;
    this.#place = new Store(placeOf(history.path));
    history.listen(() => {
      this.#place.set(placeOf(history.path));
    });
  }

  get snapshot(): Place {
    return this.#place.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#place.subscribe(listener);

  go(place: Place): void {
    const path = pathOf(place);
    if (path === this.#history.path) return;
    this.#history.push(path);
    this.#place.set(place);
  }

  /** Goes without leaving the present place behind the back button. */
  replace(place: Place): void {
    this.#history.replace(pathOf(place));
    this.#place.set(place);
  }
}
