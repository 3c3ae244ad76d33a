import type { Place, Poll, Powers, Quote, Reaction, ThreadSummary } from "./conversation.ts";

// What the app knows about, in its own words. Everything here is immutable.

import type { RefusalReason } from "./Homeserver.ts";
import type { MediaBody, MediaSource, OutgoingMedia, Uploaded } from "./media.ts";

export type { EncryptedFile, MediaSource } from "./media.ts";

export type UserId = string;
export type RoomId = string;

/** The languages of the app. `pseudo` is English made long and strange, for finding what is not translated; only in development. */
export type Language = "en" | "de" | "ar" | "pseudo";

/** Somebody, as far as this client can see them. */
export interface Person {
  readonly id: UserId;
  readonly name: string;
  /** What they are in the hospital, where that is known and shown. */
  readonly role?: string;
}

/** Is somebody there? */
export type Presence = "online" | "away" | "offline";

/** What a room list shows of the newest thing in a room. `decrypting`: known in a moment. */
export type LastLine =
  | { readonly kind: "none" }
  | { readonly kind: "decrypting" }
  | { readonly kind: "text"; readonly sender: Person; readonly own: boolean; readonly text: string; readonly priority?: Priority | undefined }
  | { readonly kind: Exclude<MessageBody["kind"], "text">; readonly sender: Person; readonly own: boolean; readonly priority?: Priority | undefined };

/** Where somebody has put a room in their list. */
export type Tag = "favourite" | "low";

/** What of a room is announced: everything, only what names oneself, nothing. */
export type Notify = "all" | "mentions" | "none";

/** A line of the room list. Plain data: it can be kept sealed and shown before the server is asked. */
export interface RoomSummary {
  readonly id: RoomId;
  readonly name: string;
  readonly picture: MediaSource | undefined;
  /** The other person of a direct conversation. */
  readonly direct: Person | undefined;
  /** `knocked`: has asked to be let in and waits for the answer. */
  readonly membership: "joined" | "invited" | "knocked";
  readonly inviter: Person | undefined;
  /** A room of rooms; in the list only as an invitation. */
  readonly space: boolean;
  readonly encrypted: boolean;
  readonly unread: number;
  readonly mentions: number;
  /** Marked by hand as something to come back to. */
  readonly markedUnread: boolean;
  readonly tag: Tag | undefined;
  readonly notify: Notify;
  /** When something last happened, in milliseconds since 1970. */
  readonly at: number;
  readonly last: LastLine;
  readonly members: number;
}

/** Rooms that belong together, as their own room says. */
export interface Space {
  readonly id: RoomId;
  readonly name: string;
  readonly rooms: readonly RoomId[];
}

/** How soon somebody must know; a message without it is routine. */
export type Priority = "urgent" | "critical";

export type MessageBody =
  /** `html` as its writer formatted it: not to be trusted. `emote` says what the sender does. */
  | { readonly kind: "text"; readonly text: string; readonly html?: string; readonly emote?: boolean }
  | { readonly kind: "poll"; readonly poll: Poll }
  | { readonly kind: "place"; readonly place: Place; readonly name: string }
  | MediaBody
  /** `arriving`: the key is on its way. `before`: sent before this device existed. `withheld`: the sender chose not to share it. */
  | { readonly kind: "waiting"; readonly reason: "arriving" | "before" | "withheld" }
  | { readonly kind: "removed" };

/** What happened in a room besides messages. */
export type Note =
  | { readonly kind: "created" | "encrypted" | "joined" | "left" | "declined"; readonly who: Person }
  | { readonly kind: "invited" | "removedPerson" | "banned"; readonly who: Person; readonly target: Person }
  | { readonly kind: "named"; readonly who: Person; readonly name: string }
  | { readonly kind: "pinned" | "topic" | "picture" | "powers"; readonly who: Person }
  | { readonly kind: "expiry"; readonly who: Person; readonly after: number | undefined };

export interface MessageItem {
  readonly kind: "message";
  readonly id: string;
  readonly at: number;
  readonly sender: Person;
  readonly own: boolean;
  readonly edited: boolean;
  readonly body: MessageBody;
  /** The transaction this device sent it with; undefined for everybody else's. */
  readonly txn: string | undefined;
  readonly priority?: Priority;
  readonly reply?: Quote;
  readonly reactions?: readonly Reaction[];
  readonly thread?: ThreadSummary;
  /** Is the person themselves named in it? */
  readonly mentioned?: boolean;
  /** When it vanishes, in milliseconds since 1970. */
  readonly expires?: number;
}

export interface NoteItem {
  readonly kind: "note";
  readonly id: string;
  readonly at: number;
  readonly note: Note;
}

export type TimelineItem = MessageItem | NoteItem;

/** Who has read, or been reached, up to which item. */
export interface ReadMark {
  readonly person: Person;
  /** The item the mark stands at: it holds for that and everything before it. */
  readonly item: string;
  readonly at: number;
}

export interface Timeline {
  readonly room: RoomId;
  readonly items: readonly TimelineItem[];
  readonly marks: readonly ReadMark[];
  /** What has reached a device of whom. */
  readonly delivered: readonly ReadMark[];
  readonly typing: readonly Person[];
  /** Joined members other than oneself. */
  readonly others: readonly Person[];
  readonly history: "more" | "loading" | "start" | "failed";
  /** Does it reach the newest message, or is there more below? `behind` counts what came meanwhile. */
  readonly newer: "live" | "more" | "loading" | "failed";
  readonly behind: number;
  /** What was unread when the room was opened. `from` is the first of it, undefined when that is further up. */
  readonly unread: { readonly from: string | undefined; readonly count: number } | undefined;
  readonly pinned: readonly Pinned[];
  readonly powers: Powers;
  /** How long messages stay in this room, in milliseconds; undefined for ever. */
  readonly expiry: number | undefined;
}

/** A message that a room keeps at hand. */
export interface Pinned {
  readonly item: string;
  readonly sender: Person | undefined;
  readonly body: MessageBody | undefined;
}

/** A message that the server has not confirmed to be in the timeline yet. */
export interface OutboxEntry {
  /** Transaction id: sending twice with the same one stores one message. */
  readonly txn: string;
  readonly room: RoomId;
  /** When it was last asked to be sent. */
  readonly at: number;
  readonly content: OutboxContent;
  readonly state: "waiting" | "sending" | "sent" | "failed";
  /** The server's id, once it has acknowledged the message. */
  readonly event: string | undefined;
  /** Its files are on the server already. */
  readonly uploaded?: Uploaded | undefined;
  /** Why it failed. `late`: the server did not answer in time. */
  readonly fault?: RefusalReason | "late" | undefined;
}

/** Where a message goes besides the room, how soon somebody must know it, and how long it stays. */
export interface Address {
  readonly thread?: string;
  /** The message that it answers. */
  readonly reply?: string;
  /** After how many milliseconds it vanishes, if not before with all of the room. */
  readonly stays?: number;
  readonly priority?: Priority;
}

export type OutboxContent =
  | ({
      readonly kind: "text";
      readonly text: string;
      readonly html?: string;
      readonly mentions?: readonly UserId[];
      readonly mentionsRoom?: boolean;
      /** The message that this is the new text of. */
      readonly edits?: string;
      /** When the message that it changes vanishes, in milliseconds since 1970. */
      readonly until?: number;
    } & Address)
  | ({ readonly kind: "poll"; readonly question: string; readonly answers: readonly string[]; readonly open: boolean; readonly most: number } & Address)
  | ({ readonly kind: "place"; readonly place: Place } & Address)
  | (OutgoingMedia & Address);

/** Is the server there? `offline` is the device's own network, `unreachable` the server. */
export type Connection = "connecting" | "online" | "offline" | "unreachable";

/** What this device can say about its encryption. */
export type Trust = "unknown" | "settingUp" | "ready" | "unconfirmed";

/** A sign-in that the demo hospital offers. */
export interface DemoPerson {
  readonly user: UserId;
  readonly name: string;
  readonly role: string;
  readonly department: string;
  readonly password: string;
}

export interface Demo {
  readonly hospital: string;
  readonly people: readonly DemoPerson[];
}

export type SignInFault = "wrongPassword" | "tooManyTries" | "unreachable" | "deactivated" | "insecure" | "other";

export type Overlay = "none" | "palette" | "shortcuts";

/** Where the person stands between opening the page and reading messages. */
export type Session =
  | { readonly phase: "starting" }
  | { readonly phase: "signedOut"; readonly ended: boolean }
  | { readonly phase: "signingIn" }
  | { readonly phase: "opening"; readonly me: Person }
  | { readonly phase: "open"; readonly me: Person; readonly device: string }
  /** The key to what is kept here is gone until the password is given. */
  | { readonly phase: "locked" }
  /** The page came over plain http: no browser lets it encrypt then. */
  | { readonly phase: "insecure" }
  /** `held`: only until the app's other tabs are closed. */
  | { readonly phase: "broken"; readonly held: boolean; readonly details: string };
