import type { Readable } from "./Store.ts";
import type { MediaSource, Notify, Person, Presence, RoomId, Tag, UserId } from "./model.ts";

/** Who may come in: only who is invited, who asks and is let in, members of other rooms, everybody. */
export type JoinRule = "invite" | "knock" | "restricted" | "public";

/** From when on a member may read: everything, since their invitation, since they joined; `world` lets strangers read too. */
export type History = "shared" | "invited" | "joined" | "world";

/** What a room lets people do, each from a level of power on. */
export const permissions = [
  "write",
  "invite",
  "remove",
  "ban",
  "redact",
  "announce",
  "pin",
  "name",
  "topic",
  "picture",
  "joinRule",
  "history",
  "encrypt",
  "roles",
  "upgrade",
] as const;

export type Permission = (typeof permissions)[number];

export interface Member {
  readonly person: Person;
  /** Infinite for who made the room, from room version 12 on. */
  readonly level: number;
  readonly membership: "joined" | "invited" | "knocked" | "banned";
  /** What somebody said when they knocked, or why they were banned. */
  readonly reason: string;
}

/** What a room says about itself beyond its line in the list. */
export interface RoomDetails {
  readonly room: RoomId;
  /** As it was set; the list may show another one made from the members. */
  readonly name: string;
  readonly topic: string;
  readonly joinRule: JoinRule;
  readonly history: History;
  readonly encrypted: boolean;
  readonly me: Member | undefined;
  /** Joined and invited people, oneself among them, the powerful first. */
  readonly people: readonly Member[];
  readonly knocking: readonly Member[];
  readonly banned: readonly Member[];
  readonly needs: Readonly<Record<Permission, number>>;
  /** The room that took this one's place. */
  readonly replacement: RoomId | undefined;
  /** All members are known, not only those who said something lately. */
  readonly members: "loading" | "all" | "failed";
}

/** A room that is not necessarily one's own: published, or part of a space. */
export interface PublicRoom {
  readonly id: RoomId;
  readonly name: string;
  readonly topic: string;
  readonly picture: MediaSource | undefined;
  readonly members: number;
  readonly space: boolean;
  readonly entry: "open" | "ask" | "closed";
}

export interface PublicRooms {
  readonly rooms: readonly PublicRoom[];
  /** Where the next page begins; undefined on the last one. */
  readonly next: string | undefined;
}

/** What the screens may ask about rooms and the people in them. Every promise is rejected with a Refusal. */
export interface Rooms {
  searchPeople(term: string): Promise<readonly Person[]>;
  searchRooms(term: string, from?: string): Promise<PublicRooms>;
  /** The rooms of a space, that of the space first. */
  hierarchy(space: RoomId): Promise<readonly PublicRoom[]>;

  /** The direct conversation with somebody: the one that exists, else a new encrypted one. */
  openDirect(person: UserId): Promise<RoomId>;
  createGroup(name: string, people: readonly UserId[]): Promise<RoomId>;
  accept(room: RoomId): Promise<void>;
  decline(room: RoomId): Promise<void>;
  join(room: RoomId): Promise<void>;
  /** Asks to be let in. */
  knock(room: RoomId, reason: string): Promise<void>;
  leave(room: RoomId): Promise<void>;
  /** Leaves, and takes the room with its history out of the account. */
  forget(room: RoomId): Promise<void>;

  setTag(room: RoomId, tag: Tag | undefined): Promise<void>;
  setNotify(room: RoomId, notify: Notify): Promise<void>;
  markUnread(room: RoomId): Promise<void>;
  markAllRead(room: RoomId): Promise<void>;
  block(person: UserId, blocked: boolean): Promise<void>;
  /** Tells the server's administrators about a room. */
  report(room: RoomId, reason: string): Promise<void>;
  /** What others are told about whether one is there; kept until it is set again. */
  setPresence(presence: Presence): Promise<void>;

  /** Undefined while the room is not known. */
  details(room: RoomId): Readable<RoomDetails> | undefined;
  invite(room: RoomId, person: UserId): Promise<void>;
  /** Removes somebody, takes their invitation back or refuses their knock. */
  remove(room: RoomId, person: UserId): Promise<void>;
  ban(room: RoomId, person: UserId, reason: string): Promise<void>;
  unban(room: RoomId, person: UserId): Promise<void>;
  setLevel(room: RoomId, person: UserId, level: number): Promise<void>;
  setNeeds(room: RoomId, permission: Permission, level: number): Promise<void>;
  setName(room: RoomId, name: string): Promise<void>;
  setTopic(room: RoomId, topic: string): Promise<void>;
  /** Undefined takes the picture away. */
  setPicture(room: RoomId, picture: Blob | undefined): Promise<void>;
  setJoinRule(room: RoomId, rule: JoinRule): Promise<void>;
  setHistory(room: RoomId, history: History): Promise<void>;
  /** Cannot be taken back. */
  encrypt(room: RoomId): Promise<void>;
  /** Can the room be found by everybody on this server? */
  listed(room: RoomId): Promise<boolean>;
  setListed(room: RoomId, listed: boolean): Promise<void>;
}
