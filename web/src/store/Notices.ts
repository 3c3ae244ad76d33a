import { Store, type Readable } from "./Store.ts";

/** What the app tells in passing; the view has the words. */
export type NoticeKind = "failed" | "copied" | "saved" | "sent" | "reported";

export interface Notice {
  readonly kind: NoticeKind;
  /** Telling the same twice is two notices. */
  readonly serial: number;
}

/** One short line at a time, heard by screen readers. What somebody must act on never stands here alone. */
export class Notices implements Readable<Notice | undefined> {
  readonly #now = new Store<Notice | undefined>(undefined);
  #serial = 0;

  get snapshot(): Notice | undefined {
    return this.#now.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#now.subscribe(listener);

  tell(kind: NoticeKind): void {
    this.#now.set({ kind, serial: ++this.#serial });
  }

  /** Tells when a step does not work that nobody else waits for. */
  async heed(step: Promise<unknown>): Promise<void> {
    try {
      await step;
    } catch {
      this.tell("failed");
    }
  }

  /** Takes the notice away, unless another has come since. */
  end(notice: Notice): void {
    if (this.snapshot === notice) this.#now.set(undefined);
  }
}
