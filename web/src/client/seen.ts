import type { Readable } from "../store/Store.ts";
import { blankSummary, blankTimeline } from "../store/blank.ts";
import type { Person, RoomId, RoomSummary, Timeline, TimelineItem } from "../store/model.ts";
import { list, record } from "./json.ts";
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
    return roomsOf(await this.#vault.read("seen/rooms"));
  }

  async me(): Promise<Person | undefined> {
    const kept = await this.#vault.read("seen/me");
    return isPerson(kept) ? kept : undefined;
  }

  async timeline(room: RoomId): Promise<Timeline | undefined> {
    return timelineOf(room, await this.#vault.read(`seen/timeline/${room}`));
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
      if (rest.newer !== "live") return undefined; // somebody is further up
      return { ...rest, items: items.slice(-keptItems), typing: [], history: items.length > keptItems || rest.history !== "start" ? "more" : "start" } satisfies Timeline;
    });
  }

  /** Writes what has not been written yet: the page may go. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const due = [...this.#due].map(([name, value]) => [name, value()] as const).filter(([, value]) => value !== undefined);
    this.#due.clear();
    await Promise.all(due.map(([name, value]) => this.#vault.write(name, value)));
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

// Another version of the app may have written it: what that did not know is filled in, what cannot be shown is left out.

function timelineOf(room: RoomId, kept: unknown): Timeline | undefined {
  const found = record(kept) as Partial<Timeline>;
  if (!Array.isArray(found.items)) return undefined;
  return { ...blankTimeline, ...found, room, items: found.items.filter(isItem), powers: { ...blankTimeline.powers, ...found.powers } };
}

function roomsOf(kept: unknown): readonly RoomSummary[] | undefined {
  if (!Array.isArray(kept)) return undefined;
  return list(kept).flatMap((one) => {
    const found = record(one) as Partial<RoomSummary>;
    return typeof found.id === "string" ? [{ ...blankSummary, ...found, id: found.id }] : [];
  });
}

function isItem(value: unknown): value is TimelineItem {
  const { kind, id, sender, body, note } = record(value);
  if (typeof id !== "string") return false;
  return kind === "note" ? typeof record(note)["kind"] === "string" : kind === "message" && isPerson(sender) && typeof record(body)["kind"] === "string";
}

function isPerson(value: unknown): value is Person {
  const { id, name } = record(value);
  return typeof id === "string" && typeof name === "string";
}
