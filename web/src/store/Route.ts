import { Store, type Readable } from "./Store.ts";
import type { RoomId } from "./model.ts";

/** Where in the app somebody is. The address bar is the only place that remembers it. */
export type Place =
  | { readonly at: "inbox" }
  | { readonly at: "room"; readonly room: RoomId }
  | { readonly at: "people" }
  | { readonly at: "me" };

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
    case "room":
      return `/room/${encodeURIComponent(place.room)}`;
    case "people":
      return "/people";
    case "me":
      return "/me";
  }
}

export function placeOf(path: string): Place {
  const [first = "", second = ""] = path.split("/").filter((part) => part !== "");
  if (first === "room" && second !== "") {
    try {
      return { at: "room", room: decodeURIComponent(second) };
    } catch {
      return { at: "inbox" }; // not something pathOf wrote
    }
  }
  if (first === "people" || first === "me") return { at: first };
  return { at: "inbox" };
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
