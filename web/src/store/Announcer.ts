import type { Readable } from "./Store.ts";
import type { Preference } from "./Preferences.ts";
import type { Place } from "./Route.ts";
import type { RoomId, RoomSummary, Session } from "./model.ts";

export interface AnnouncerParts {
  readonly rooms: Readable<readonly RoomSummary[]>;
  readonly session: Readable<Session>;
  readonly preferences: Readable<Preference>;
  readonly route: Readable<Place>;
  /** Does somebody look at the app now? */
  readonly watched: () => boolean;
  readonly sound: () => void;
  /** Tells outside the app that there is something new in a room: never who or what, it may be seen by anybody. */
  readonly show: (room: RoomId) => void;
}

/**
 * Announces what is new, by sound and outside the app. What counts as new is what the push rules count. Nothing is
 * announced of the conversation that is being looked at, nor what was there before the app was opened.
 */
export class Announcer {
  readonly #parts: AnnouncerParts;
  #known: ReadonlyMap<RoomId, RoomSummary> | undefined;

  constructor(parts: AnnouncerParts) {
    this.#parts = parts;
    parts.rooms.subscribe(this.#look);
    parts.session.subscribe(this.#look);
  }

  readonly #look = (): void => {
    const { rooms, session, preferences, route, watched, sound, show } = this.#parts;
    const before = this.#known;
    if (session.snapshot.phase !== "open") {
      this.#known = undefined;
      return;
    }
    this.#known = new Map(rooms.snapshot.map((room) => [room.id, room]));
    if (before === undefined) return;
    const place = route.snapshot;
    const open = watched() && place.at === "room" ? place.room : undefined;
    const fresh = rooms.snapshot.find((room) => room.id !== open && isNews(room, before.get(room.id)));
    if (fresh === undefined) return;
    if (preferences.snapshot.sound === "on") sound();
    if (preferences.snapshot.outside === "on" && !watched()) show(fresh.id);
  };
}

function isNews(room: RoomSummary, before: RoomSummary | undefined): boolean {
  if (room.membership === "invited") return before?.membership !== "invited";
  return before !== undefined && (room.unread > before.unread || room.mentions > before.mentions);
}
