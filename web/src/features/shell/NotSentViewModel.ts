import type { App } from "../../store/App.ts";
import { isCritical } from "../../store/Outbox.ts";
import { Derived, type Readable } from "../../store/Store.ts";
import type { RoomId } from "../../store/model.ts";

export interface NotSent {
  readonly txn: string;
  readonly room: RoomId;
  /** What the conversation is called; empty when it is not known. */
  readonly name: string;
  readonly at: number;
  readonly text: string;
}

/** Critical messages that have not been sent. */
export class NotSentViewModel implements Readable<readonly NotSent[]> {
  readonly #app: App;
  readonly #derived: Readable<readonly NotSent[]>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App) {
    this.#app = app;
    this.#derived = new Derived([app.outbox, app.rooms], (outbox, rooms) =>
      outbox
        .filter((entry) => isCritical(entry) && entry.state === "failed")
        .map(({ txn, room, at, content }) => ({
          txn,
          room,
          at,
          name: rooms.find(({ id }) => id === room)?.name ?? "",
          text: content.kind === "text" ? content.text : "",
        })),
    );
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): readonly NotSent[] {
    return this.#derived.snapshot;
  }

  readonly again = (txn: string): Promise<void> => this.#app.outbox.retry(txn);

  readonly drop = (txn: string): Promise<void> => this.#app.outbox.discard(txn);
}
