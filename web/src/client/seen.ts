import type { Readable } from "../store/Store.ts";
import type { Person, RoomId, RoomSummary, Timeline } from "../store/model.ts";
import type { Vault } from "./vault.ts";

/** How many of a conversation's newest items are kept. */
const keptItems = 40;
const pause = 2_000;

/**
 * What was last on the screen, sealed: the list of rooms and the newest part of conversations, so that they are there
 * before the encryption is loaded and without a network. It is only ever shown until the real thing comes.
 */
export class Seen {
  readonly #vault: Vault;
  readonly #due = new Map<string, () => unknown>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  async rooms(): Promise<readonly RoomSummary[] | undefined> {
    return (await this.#vault.read("seen/rooms")) as readonly RoomSummary[] | undefined;
  }

  async me(): Promise<Person | undefined> {
    return (await this.#vault.read("seen/me")) as Person | undefined;
  }

  async timeline(room: RoomId): Promise<Timeline | undefined> {
    return (await this.#vault.read(`seen/timeline/${room}`)) as Timeline | undefined;
  }

  keepRooms(rooms: Readable<readonly RoomSummary[]>): void {
    this.#later("seen/rooms", () => rooms.snapshot);
  }

  keepMe(me: Person): void {
    this.#later("seen/me", () => me);
  }

  keepTimeline(timeline: Readable<Timeline>): void {
    this.#later(`seen/timeline/${timeline.snapshot.room}`, () => {
      const { items, ...rest } = timeline.snapshot;
      return { ...rest, items: items.slice(-keptItems), typing: [], history: items.length > keptItems ? "more" : rest.history } satisfies Timeline;
    });
  }

  /** Writes what has not been written yet: the page may go. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const due = [...this.#due];
    this.#due.clear();
    await Promise.all(due.map(([name, value]) => this.#vault.write(name, value())));
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#due.clear();
  }

  #later(name: string, value: () => unknown): void {
    if (this.#stopped) return;
    this.#due.set(name, value);
    this.#timer ??= setTimeout(() => {
      this.flush().catch(() => undefined); // only a copy
    }, pause);
  }
}
