import type { App } from "../../store/App.ts";
import { isCritical } from "../../store/Outbox.ts";
import { Derived, type Readable } from "../../store/Store.ts";
import type { OutboxEntry, RoomId } from "../../store/model.ts";
import { bodyOfEntry, type RowBody } from "../room/rows.ts";

export interface NotSent {
  readonly txn: string;
  readonly room: RoomId;
  /** What the conversation is called; empty when it is not known. */
  readonly name: string;
  readonly at: number;
  readonly body: RowBody;
  /** It was not there already when the view was opened: whoever listens has not heard of it. */
  readonly fresh: boolean;
}

/** Critical messages that have not been sent. */
export class NotSentViewModel implements Readable<readonly NotSent[]> {
  readonly #app: App;
  readonly #derived: Readable<readonly NotSent[]>;
  /** What was there when the view was opened, as long as it is. */
  #old: ReadonlySet<string>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App) {
    this.#app = app;
    this.#old = new Set(failed(app.outbox.snapshot).map(({ txn }) => txn));
    this.#derived = new Derived([app.outbox, app.rooms], (outbox, rooms) => {
      const entries = failed(outbox);
      this.#old = new Set(entries.flatMap(({ txn }) => (this.#old.has(txn) ? [txn] : [])));
      return entries.map((entry) => {
        const { txn, room, at } = entry;
        return { txn, room, at, name: rooms.find(({ id }) => id === room)?.name ?? "", body: bodyOfEntry(entry), fresh: !this.#old.has(txn) };
      });
    });
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): readonly NotSent[] {
    return this.#derived.snapshot;
  }

  readonly again = (txn: string): Promise<void> => this.#app.notices.heed(this.#app.outbox.retry(txn));

  readonly drop = (txn: string): Promise<void> => this.#app.notices.heed(this.#app.outbox.discard(txn));
}

function failed(outbox: readonly OutboxEntry[]): readonly OutboxEntry[] {
  return outbox.filter((entry) => isCritical(entry) && entry.state === "failed");
}
