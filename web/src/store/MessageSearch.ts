import type { Readable, Store } from "./Store.ts";
import type { Person, RoomId, Session } from "./model.ts";

/** What is looked for: messages with all of the term's words, in one room or in all. */
export interface Sought {
  readonly term: string;
  readonly room?: RoomId | undefined;
  readonly limit: number;
}

/** A message that was found. */
export interface Hit {
  readonly room: RoomId;
  readonly item: string;
  readonly at: number;
  readonly sender: Person;
  readonly own: boolean;
  readonly text: string;
}

/** Newest first. */
export interface Hits {
  readonly hits: readonly Hit[];
  readonly more: boolean;
}

/** How far back a search on this device goes. */
export interface Reach {
  /** Since when everything is searched; undefined when nothing here needs the device to be searched. */
  readonly since: number | undefined;
  /** All of it, from the beginning on. */
  readonly whole: boolean;
  /** Is there older history that can still be loaded? Not when the device holds all that it may. */
  readonly further: boolean;
  readonly state: "idle" | "loading" | "failed";
  /** How many messages have been read while loading. */
  readonly read: number;
}

/**
 * Messages found by their words: encrypted ones on this device, as far back as their history was loaded, and the others by
 * the server. Every promise is rejected with a Refusal.
 */
export interface MessageSearch {
  here(sought: Sought): Promise<Hits>;
  /** Asks the server, which is told the term; it is never asked about an encrypted room. */
  there(sought: Sought): Promise<Hits>;
  /** Of one room or of all. */
  reach(room?: RoomId): Readable<Reach>;
  /** Loads older history, a month or so of it, until it is told to stop. */
  goFurther(room?: RoomId): Promise<void>;
  stop(): void;
}

/** What somebody looks for in this tab, as long as the page lives: it stands in no address. */
export interface Wish {
  readonly term: string;
  /** Beside a conversation: in all of them, not only in this one. */
  readonly everywhere: boolean;
  /** Changes whenever somebody asks for the search: then its field is to be written in. */
  readonly asked: number;
}

export const noWish: Wish = { term: "", everywhere: false, asked: 0 };

/** What one person looked for is not for the next to see. */
export function forgetWish(session: Readable<Session>, wish: Store<Wish>): void {
  session.subscribe(() => {
    if (session.snapshot.phase === "signedOut") wish.set(noWish);
  });
}

/** Nothing is known yet. */
export const noReach: Reach = { since: undefined, whole: true, further: false, state: "idle", read: 0 };
