import { Store, type Readable } from "./Store.ts";
import type { RoomId } from "./model.ts";

export interface Draft {
  readonly text: string;
}

export const noDraft: Draft = { text: "" };

/** What somebody has begun to write, by room, as long as the page lives. */
export class Drafts implements Readable<ReadonlyMap<RoomId, Draft>> {
  readonly #drafts = new Store<ReadonlyMap<RoomId, Draft>>(new Map());

  get snapshot(): ReadonlyMap<RoomId, Draft> {
    return this.#drafts.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#drafts.subscribe(listener);

  get(room: RoomId): Draft {
    return this.snapshot.get(room) ?? noDraft;
  }

  keep(room: RoomId, draft: Draft): void {
    const drafts = new Map(this.snapshot);
    if (draft.text === "") drafts.delete(room);
    else drafts.set(room, draft);
    this.#drafts.set(drafts);
  }
}
