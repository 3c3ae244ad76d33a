import type { MessageSearch } from "./MessageSearch.ts";
import type { Messages } from "./Messages.ts";
import type { Readable } from "./Store.ts";
import type { Rooms } from "./Rooms.ts";
import type { Settings } from "./Settings.ts";
import type { MediaSource, MediaState, OutgoingMedia, Wish } from "./media.ts";
import type { RoomId, Timeline } from "./model.ts";

/** What the stores and screens may ask of the server. client/ does it; every promise is rejected with a Refusal. */
export interface Homeserver {
  readonly rooms: Rooms;
  readonly settings: Settings;
  readonly messages: Messages;
  readonly search: MessageSearch;
  /** A room's timeline, kept up to date; undefined while the room is not known. */
  timeline(room: RoomId): Readable<Timeline> | undefined;
  /** A file, fetched and opened while somebody listens. */
  media(source: MediaSource): Readable<MediaState>;
  /** Fetches again what could not be fetched. */
  retryMedia(source: MediaSource): void;
  /** A chosen file without its place and camera, with a thumbnail. Rejected with an Unfit. */
  prepare(file: File, wish: Wish): Promise<OutgoingMedia>;
  /** The largest file the server takes, in bytes; undefined as long as it has not said. */
  uploadLimit(): Promise<number | undefined>;
  typing(room: RoomId, now: boolean): void;
  /** Tries the server again at once instead of after the pause. */
  retry(): void;
}

export type RefusalReason = "unreachable" | "forbidden" | "limited" | "gone" | "tooLarge" | "other";

/** Why the server did not do it, in the app's own few kinds. */
export class Refusal extends Error {
  readonly reason: RefusalReason;
  /** Milliseconds to wait before asking again, when the server said so. */
  readonly wait: number | undefined;

  constructor(reason: RefusalReason, message: string, wait?: number) {
    super(message);
    this.name = "Refusal";
    this.reason = reason;
    this.wait = wait;
  }
}
