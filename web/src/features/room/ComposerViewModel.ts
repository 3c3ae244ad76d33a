import type { App } from "../../store/App.ts";
import type { Draft } from "../../store/Drafts.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { RoomId } from "../../store/model.ts";

export interface ComposerSnapshot {
  readonly draft: Draft;
  readonly canSend: boolean;
}

/** What is being written in one room. */
export class ComposerViewModel implements Readable<ComposerSnapshot> {
  readonly room: RoomId;
  readonly #app: App;
  readonly #draft: Store<Draft>;
  readonly #derived: Readable<ComposerSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App, room: RoomId) {
    this.#app = app;
    this.room = room;
    this.#draft = new Store(app.drafts.get(room));
    this.#derived = new Derived([this.#draft], (draft) => ({ draft, canSend: draft.text.trim() !== "" }));
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): ComposerSnapshot {
    return this.#derived.snapshot;
  }

  readonly type = (text: string): void => {
    this.#keep({ ...this.#draft.snapshot, text });
    this.#app.homeserver.typing(this.room, text.trim() !== "");
  };

  /** Hands what was written to the outbox. */
  readonly send = async (): Promise<void> => {
    const { draft, canSend } = this.snapshot;
    if (!canSend) return;
    this.#keep({ text: "" });
    this.#app.homeserver.typing(this.room, false);
    await this.#app.outbox.enqueue(this.room, { kind: "text", text: draft.text.trim() });
  };

  #keep(draft: Draft): void {
    this.#app.drafts.keep(this.room, draft);
    this.#draft.set(draft);
  }
}
