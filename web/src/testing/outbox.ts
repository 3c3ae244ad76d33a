import { Outbox, type OutboxOptions, type UploadHooks } from "../store/Outbox.ts";
import type { Uploaded } from "../store/media.ts";
import type { OutboxEntry } from "../store/model.ts";
import { MemoryShelf } from "./app.ts";

export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A server whose answers the test gives one by one. */
export class TestServer {
  readonly tried: string[] = [];
  #answers: { yes: (event: string) => void; no: (fault: unknown) => void }[] = [];

  readonly deliver = (entry: OutboxEntry): Promise<string> => {
    this.tried.push(entry.content.kind === "text" ? entry.content.text : entry.content.kind === "media" ? entry.content.name : entry.content.kind);
    return new Promise((yes, no) => this.#answers.push({ yes, no }));
  };

  /** Uploads in the order of asking; the test ends them. */
  readonly uploads: { name: string; hooks: UploadHooks; yes: (at: Uploaded) => void; no: (fault: unknown) => void }[] = [];

  readonly upload = (entry: OutboxEntry, hooks: UploadHooks): Promise<Uploaded> =>
    new Promise((yes, no) => {
      this.uploads.push({ name: entry.content.kind === "media" ? entry.content.name : "", hooks, yes, no });
      hooks.signal.addEventListener("abort", () => {
        no(new DOMException("", "AbortError"));
      });
    });

  async accept(event: string): Promise<void> {
    this.#answers.shift()?.yes(event);
    await settled();
  }

  async refuse(fault: unknown): Promise<void> {
    this.#answers.shift()?.no(fault);
    await settled();
  }
}

/** What the outboxes of one browser share: the shelf, the server, the clock. */
export class Post {
  readonly server = new TestServer();
  readonly shelf = new MemoryShelf();
  /** What has been seen in the timelines: events and transactions. */
  readonly seen = new Set<string>();
  readonly keptBack: string[] = [];
  pauses: { ms: number; then: () => void }[] = [];
  clock = 1000;
  #txns = 0;

  readonly options: OutboxOptions = {
    shelf: this.shelf,
    deliver: this.server.deliver,
    upload: this.server.upload,
    keepBack: ({ txn }) => this.keptBack.push(txn),
    arrived: ({ txn, event }) => this.seen.has(txn) || (event !== undefined && this.seen.has(event)),
    now: () => this.clock,
    newTxn: () => `t${String(++this.#txns)}`,
    later: (ms, then) => {
      const pause = { ms, then };
      this.pauses.push(pause);
      return () => {
        this.pauses = this.pauses.filter((one) => one !== pause);
      };
    },
  };

  make(options: Partial<OutboxOptions> = {}): Outbox {
    return new Outbox({ ...this.options, ...options });
  }

  /** The time of critical messages is over. */
  async outOfTime(): Promise<void> {
    this.clock += 5000;
    const due = this.pauses.filter(({ ms }) => ms === 5000);
    this.pauses = this.pauses.filter(({ ms }) => ms !== 5000);
    for (const { then } of due) then();
    await settled();
  }
}

export const statesOf = (outbox: Outbox): string[] => outbox.snapshot.map((entry) => entry.state);
