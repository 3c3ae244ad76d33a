import type { MessageBody, Person } from "./model.ts";

// What belongs to one message besides its body.

/** The message that another one answers, as far as it is known yet. */
export interface Quote {
  readonly item: string;
  readonly sender: Person | undefined;
  readonly body: MessageBody | undefined;
}

/** One sign that people have put on a message. */
export interface Reaction {
  readonly key: string;
  readonly people: readonly Person[];
  readonly own: boolean;
}

/** What was answered beside the conversation, under its first message. */
export interface ThreadSummary {
  readonly replies: number;
  readonly last: { readonly sender: Person; readonly body: MessageBody; readonly at: number } | undefined;
  readonly unread: number;
}

export interface Poll {
  readonly question: string;
  readonly answers: readonly PollAnswer[];
  /** Are the votes shown before it has ended? */
  readonly open: boolean;
  /** How many answers one may choose. */
  readonly most: number;
  readonly ended: boolean;
  /** How many people have voted. */
  readonly voters: number;
}

export interface PollAnswer {
  readonly id: string;
  readonly text: string;
  readonly people: readonly Person[];
  readonly own: boolean;
}

/** A place on the earth, in degrees. */
export interface Place {
  readonly latitude: number;
  readonly longitude: number;
}

/** A thread in the list of a room's threads. */
export interface ThreadLine {
  readonly root: string;
  readonly sender: Person;
  readonly body: MessageBody;
  readonly at: number;
  readonly summary: ThreadSummary;
}

/** A message of one's own that the server sends later. */
export interface Scheduled {
  readonly id: string;
  readonly room: string;
  readonly at: number;
  /** What it says; undefined when another device of the same person wrote it. */
  readonly text: string | undefined;
}

/** What waits to be sent later. */
export interface Schedule {
  /** Can the server do that? */
  readonly able: boolean;
  readonly messages: readonly Scheduled[];
}

/** A text that somebody keeps in order to send it often. */
export interface SavedReply {
  readonly id: string;
  readonly name: string;
  readonly text: string;
}

/** What the person may do in a room beyond writing. */
export interface Powers {
  readonly pin: boolean;
  /** Delete the messages of others. */
  readonly remove: boolean;
  /** Decide how long messages stay. */
  readonly expiry: boolean;
  readonly mentionRoom: boolean;
}
