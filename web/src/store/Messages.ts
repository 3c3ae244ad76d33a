import type { Readable } from "./Store.ts";
import type { Place, SavedReply, Schedule, ThreadLine } from "./conversation.ts";
import type { OutboxContent, RoomId, Timeline } from "./model.ts";

export type TextContent = Extract<OutboxContent, { kind: "text" }>;

/** What may be asked about the messages of a room. Every promise is rejected with a Refusal. */
export interface Messages {
  /** Somebody opens the room: its timeline starts at the newest message, and what is unread now stays marked. */
  enter(room: RoomId): void;
  /** The timeline of one thread; undefined while the room is not known. */
  thread(room: RoomId, root: string): Readable<Timeline> | undefined;
  /** The threads of a room, newest first. */
  threads(room: RoomId): Promise<readonly ThreadLine[]>;
  loadOlder(room: RoomId, thread: string | undefined): Promise<void>;
  loadNewer(room: RoomId, thread: string | undefined): Promise<void>;
  /** Is the newest message on the screen? Only then the timeline goes on with what arrives. */
  follow(room: RoomId, thread: string | undefined, yes: boolean): void;
  /** Back to the newest message. */
  toNewest(room: RoomId, thread: string | undefined): void;
  /** Shows the timeline around a message; the answer says in which thread it is, if in one. */
  toItem(room: RoomId, item: string): Promise<string | undefined>;
  toUnread(room: RoomId): Promise<void>;
  /** Shows the timeline from a time on and answers with its first message. */
  toTime(room: RoomId, at: number): Promise<string>;
  markRead(room: RoomId, thread: string | undefined, item: string): Promise<void>;

  /** Puts a sign on a message, or takes one's own away. */
  react(room: RoomId, item: string, key: string): Promise<void>;
  /** Deletes a message for everybody. */
  remove(room: RoomId, item: string): Promise<void>;
  pin(room: RoomId, item: string, yes: boolean): Promise<void>;
  forward(from: RoomId, item: string, to: RoomId): Promise<void>;
  report(room: RoomId, item: string, reason: string): Promise<void>;
  vote(room: RoomId, poll: string, answers: readonly string[]): Promise<void>;
  endPoll(room: RoomId, poll: string): Promise<void>;
  /** How long messages stay in the room, in milliseconds; undefined for ever. */
  setExpiry(room: RoomId, after: number | undefined): Promise<void>;
  /** Where this device is; asks the person. Undefined when that is not to be known. */
  here(): Promise<Place | undefined>;

  scheduled(): Readable<Schedule>;
  schedule(room: RoomId, content: TextContent, at: number): Promise<void>;
  refreshScheduled(): Promise<void>;
  cancelScheduled(id: string): Promise<void>;
  sendScheduled(id: string): Promise<void>;

  savedReplies(): Readable<readonly SavedReply[]>;
  saveReplies(replies: readonly SavedReply[]): Promise<void>;
}
