import type { OutboxContent, RoomId } from "./model.ts";

export interface Draft {
  readonly text: string;
  readonly picture: Extract<OutboxContent, { kind: "picture" }> | undefined;
}

export const noDraft: Draft = { text: "", picture: undefined };

/** What somebody has begun to write, by room, as long as the page lives. */
export class Drafts {
  readonly #drafts = new Map<RoomId, Draft>();

  get(room: RoomId): Draft {
    return this.#drafts.get(room) ?? noDraft;
  }

  keep(room: RoomId, draft: Draft): void {
    if (draft.text === "" && draft.picture === undefined) this.#drafts.delete(room);
    else this.#drafts.set(room, draft);
  }
}
