import type { App } from "../../store/App.ts";
import type { Draft } from "../../store/Drafts.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
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
    const picture = await this.#app.homeserver.preparePicture(file);
    this.#picking.set(picture === undefined ? "unreadable" : "no");
    if (picture !== undefined) this.#keep({ ...this.#draft.snapshot, picture });
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
