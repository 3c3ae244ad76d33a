import type { App } from "../../store/App.ts";
import type { Draft } from "../../store/Drafts.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import { Unfit } from "../../store/media.ts";
import type { RoomId } from "../../store/model.ts";

export interface ComposerSnapshot {
  readonly draft: Draft;
  readonly picking: "no" | "preparing" | "unreadable";
  readonly canSend: boolean;
}

/** What is being written in one room. */
export class ComposerViewModel implements Readable<ComposerSnapshot> {
  readonly #app: App;
  readonly #room: RoomId;
  readonly #draft: Store<Draft>;
  readonly #picking = new Store<ComposerSnapshot["picking"]>("no");
  readonly #derived: Readable<ComposerSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App, room: RoomId) {
    this.#app = app;
    this.#room = room;
    this.#draft = new Store(app.drafts.get(room));
    this.#derived = new Derived([this.#draft, this.#picking], (draft, picking) => ({
      draft,
      picking,
      canSend: picking !== "preparing" && (draft.text.trim() !== "" || draft.picture !== undefined),
    }));
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): ComposerSnapshot {
    return this.#derived.snapshot;
  }

  readonly type = (text: string): void => {
    this.#keep({ ...this.#draft.snapshot, text });
    this.#app.homeserver.typing(this.#room, text.trim() !== "");
  };

  readonly attach = async (file: File): Promise<void> => {
    this.#picking.set("preparing");
    try {
      const picture = await this.#app.homeserver.prepare(file, { as: "media", size: "normal", caption: "" });
      this.#picking.set("no");
      this.#keep({ ...this.#draft.snapshot, picture });
    } catch (fault) {
      if (!(fault instanceof Unfit)) throw fault;
      this.#picking.set("unreadable");
    }
  };

  readonly unattach = (): void => {
    this.#picking.set("no");
    this.#keep({ ...this.#draft.snapshot, picture: undefined });
  };

  /** Hands what was written to the outbox: the picture first, then the text. */
  readonly send = async (): Promise<void> => {
    const { draft, canSend } = this.snapshot;
    if (!canSend) return;
    this.#keep({ text: "", picture: undefined });
    this.#picking.set("no");
    this.#app.homeserver.typing(this.#room, false);
    if (draft.picture !== undefined) await this.#app.outbox.enqueue(this.#room, draft.picture);
    const text = draft.text.trim();
    if (text !== "") await this.#app.outbox.enqueue(this.#room, { kind: "text", text });
  };

  #keep(draft: Draft): void {
    this.#app.drafts.keep(this.#room, draft);
    this.#draft.set(draft);
  }
}
