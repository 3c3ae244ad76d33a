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
}

/** Is somebody there? */
export type Presence = "online" | "away" | "offline";

/** What a room list shows of the newest thing in a room. `decrypting`: known in a moment. */
export type LastLine =
  | { readonly kind: "none" }
  | { readonly kind: "decrypting" }
  | { readonly kind: "text"; readonly sender: Person; readonly own: boolean; readonly text: string }
  | { readonly kind: Exclude<MessageBody["kind"], "text">; readonly sender: Person; readonly own: boolean };

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

export type MessageBody =
  | { readonly kind: "text"; readonly text: string }
  | MediaBody
  /** `arriving`: the key is on its way. `before`: sent before this device existed. `withheld`: the sender chose not to share it. */
  | { readonly kind: "waiting"; readonly reason: "arriving" | "before" | "withheld" }
  | { readonly kind: "removed" };

/** What happened in a room besides messages. */
export type Note =
  | { readonly kind: "created" | "encrypted" | "joined" | "left" | "declined"; readonly who: Person }
  | { readonly kind: "invited" | "removedPerson" | "banned"; readonly who: Person; readonly target: Person }
  | { readonly kind: "named"; readonly who: Person; readonly name: string };

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
}

export interface NoteItem {
  readonly kind: "note";
  readonly id: string;
  readonly at: number;
  readonly note: Note;
}

export type TimelineItem = MessageItem | NoteItem;

/** Who has read up to which item. */
export interface ReadMark {
  readonly person: Person;
  /** The item the mark stands at: that and everything before it has been read. */
  readonly item: string;
  readonly at: number;
}

export interface Timeline {
  readonly room: RoomId;
  readonly items: readonly TimelineItem[];
  readonly marks: readonly ReadMark[];
  readonly typing: readonly Person[];
  /** Joined members other than oneself. */
  readonly others: readonly Person[];
  readonly history: "more" | "loading" | "start" | "failed";
}

/** A message that the server has not confirmed to be in the timeline yet. */
export interface OutboxEntry {
  /** Transaction id: sending twice with the same one stores one message. */
  readonly txn: string;
  readonly room: RoomId;
  readonly at: number;
  readonly content: OutboxContent;
  readonly state: "waiting" | "sending" | "sent" | "failed";
  /** The server's id, once it has acknowledged the message. */
  readonly event: string | undefined;
  /** Its files are on the server already. */
  readonly uploaded?: Uploaded | undefined;
  /** Why it failed. */
  /** `late`: the server did not answer in time. */
  readonly fault?: RefusalReason | "late" | undefined;
  /** Somebody must know at once: it is said to be not sent rather than sent later without asking. */
  readonly critical?: boolean | undefined;
}

export type OutboxContent = { readonly kind: "text"; readonly text: string } | OutgoingMedia;

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
  | { readonly phase: "broken"; readonly details: string };
