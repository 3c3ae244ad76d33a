import { Store, type Readable } from "./Store.ts";
import type { Address, Person, Priority, RoomId } from "./model.ts";

export interface Draft {
  readonly text: string;
  /** The message that it answers. */
  readonly reply?: string;
  /** The message that it is the new text of, and what had been written before that began. */
  readonly edit?: { readonly item: string; readonly before: string };
  /** Who has been chosen by name. */
  readonly people?: readonly Person[];
  readonly priority?: Priority | undefined;
  /** After how many milliseconds the message is to vanish. */
  readonly stays?: number | undefined;
}

export const noDraft: Draft = { text: "" };

/** What has been chosen for the message besides its words. */
export function choices({ priority, stays }: Draft): Pick<Address, "priority" | "stays"> {
  return { ...(priority === undefined ? {} : { priority }), ...(stays === undefined ? {} : { stays }) };
}

/** What is left of a draft when `sent` has gone: what was written since; after a change to a message what was there before. */
export function restOf(now: Draft, sent: Draft): Draft {
  const since = now.text.startsWith(sent.text) ? now.text.slice(sent.text.length) : now.text;
  return sent.edit === undefined ? { text: since } : { text: sent.edit.before + since, ...choices(now) };
}

/** The draft of a room, or of one of its threads. */
export type DraftKey = RoomId;

export function draftKey(room: RoomId, thread: string | undefined): DraftKey {
  return thread === undefined ? room : `${room} ${thread}`;
}

/** What somebody has begun to write, by room and thread, as long as the page lives. */
export class Drafts implements Readable<ReadonlyMap<DraftKey, Draft>> {
  readonly #drafts = new Store<ReadonlyMap<DraftKey, Draft>>(new Map());
  get snapshot(): ReadonlyMap<DraftKey, Draft> {
    return this.#drafts.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#drafts.subscribe(listener);

  get(key: DraftKey): Draft {
    return this.snapshot.get(key) ?? noDraft;
  }

  keep(key: DraftKey, draft: Draft): void {
    const drafts = new Map(this.snapshot);
    if (draft.text === "" && draft.reply === undefined && draft.edit === undefined && draft.priority === undefined && draft.stays === undefined) drafts.delete(key);
    else drafts.set(key, draft);
    this.#drafts.set(drafts);
  }

  clear(): void {
    this.#drafts.set(new Map());
  }
}
