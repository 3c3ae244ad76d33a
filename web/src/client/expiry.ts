import { MatrixEventEvent, RoomEvent, type MatrixClient, type MatrixEvent, type Room } from "matrix-js-sdk";

import { expired, expiresAt, expiryType } from "./events.ts";
import { number } from "./json.ts";

/** How long the messages of a room stay, in milliseconds; undefined for ever. */
export function expiryAfter(room: Room): number | undefined {
  const after = number(room.currentState.getStateEvents(expiryType, "")?.getContent()["after"]);
  return after === 0 ? undefined : after;
}

/** When a message vanishes that is sent at a time: as its writer said, and no later than everything in the room. */
export function expiryOf(room: Room, content: { readonly stays?: number; readonly until?: number }, sent = Date.now()): number | undefined {
  if (content.until !== undefined) return content.until;
  const after = Math.min(content.stays ?? Infinity, expiryAfter(room) ?? Infinity);
  return after === Infinity ? undefined : sent + after;
}

const longestTimer = 2 ** 31 - 1;
const pause = 60_000;

/**
 * Deletes one's own messages from the server when their time is over. Every device of their writer does so with those it
 * knows; everybody else's only hide them.
 */
export class ExpiryKeeper {
  readonly #client: MatrixClient;
  /** The own messages that will vanish, and when. */
  readonly #due = new Map<MatrixEvent, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: MatrixClient) {
    this.#client = client;
    const note = (event: MatrixEvent): void => {
      const at = event.getSender() === client.getUserId() ? number(event.getOriginalContent()[expiresAt]) : undefined;
      if (at === undefined || event.isRedacted() || event.isState()) return;
      this.#due.set(event, at);
      this.#plan();
    };
    client.on(RoomEvent.Timeline, note);
    client.on(MatrixEventEvent.Decrypted, note);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#due.clear();
  }

  #plan(wait = 0): void {
    clearTimeout(this.#timer);
    if (this.#due.size === 0) return;
    const next = Math.min(...this.#due.values()) - Date.now();
    this.#timer = setTimeout(() => void this.#redact(), Math.min(Math.max(next, wait), longestTimer));
  }

  async #redact(): Promise<void> {
    const now = Date.now();
    let failed = false;
    for (const [event, at] of this.#due) {
      if (at > now) continue;
      try {
        // One that is on its way is known by its id later.
        if (event.status !== null) throw new Error("not sent yet");
        if (!event.isRedacted()) await this.#client.redactEvent(event.getRoomId() ?? "", event.getId() ?? "", undefined, { reason: expired });
        this.#due.delete(event);
      } catch {
        failed = true;
      }
    }
    this.#plan(failed ? pause : 0);
  }
}
