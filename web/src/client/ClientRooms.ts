import { EventType, HistoryVisibility, JoinRule as WireRule, Preset, RoomType, Visibility, type IPublicRoomsChunkRoom, type MatrixClient } from "matrix-js-sdk";

import { Refusal } from "../store/Homeserver.ts";
import type { History, JoinRule, Permission, PublicRoom, PublicRooms, RoomDetails, Rooms } from "../store/Rooms.ts";
import type { Readable } from "../store/Store.ts";
import type { Notify, Person, Presence, RoomId, Tag, UserId } from "../store/model.ts";
import { DetailsFeed } from "./details.ts";
import { setNotify } from "./notify.ts";
import { withNeed } from "./powers.ts";
import { setOwnPresence, type PeopleStores } from "./presence.ts";
import { refusing } from "./refusal.ts";
import { directPeople, isMarkedUnread, pictureAt } from "./summary.ts";
import { localPart } from "./wire.ts";

const tagNames = { favourite: "m.favourite", low: "m.lowpriority" } as const;
const pageSize = 30;
const encryption = { algorithm: "m.megolm.v1.aes-sha2" };
const histories = { shared: HistoryVisibility.Shared, invited: HistoryVisibility.Invited, joined: HistoryVisibility.Joined, world: HistoryVisibility.WorldReadable } as const;
const rules = { invite: WireRule.Invite, knock: WireRule.Knock, public: WireRule.Public } as const;

/** Rooms and the people in them, over Matrix's SDK. */
export class ClientRooms implements Rooms {
  readonly #client: MatrixClient;
  readonly #upload: (picture: Blob) => Promise<string>;
  readonly #presence: PeopleStores["presence"];
  readonly #details = new Map<RoomId, DetailsFeed>();

  /** `upload` puts a picture on the server as it is. */
  constructor(client: MatrixClient, upload: (picture: Blob) => Promise<string>, presence: PeopleStores["presence"]) {
    this.#client = client;
    this.#upload = upload;
    this.#presence = presence;
  }

  // Finding.

  searchPeople(term: string): Promise<readonly Person[]> {
    return refusing(async () => {
      const { results } = await this.#client.searchUserDirectory({ term, limit: 30 });
      return results
        .filter((person) => person.user_id !== this.#client.getUserId())
        .map((person) => ({ id: person.user_id, name: person.display_name ?? localPart(person.user_id) }));
    });
  }

  searchRooms(term: string, from?: string): Promise<PublicRooms> {
    return refusing(async () => {
      const { chunk, next_batch } = await this.#client.publicRooms({
        limit: pageSize,
        ...(from === undefined ? {} : { since: from }),
        ...(term === "" ? {} : { filter: { generic_search_term: term } }),
      });
      return { rooms: chunk.map(publicRoom), next: next_batch };
    });
  }

  hierarchy(space: RoomId): Promise<readonly PublicRoom[]> {
    return refusing(async () => {
      const found: PublicRoom[] = [];
      let from: string | undefined;
      do {
        const { rooms, next_batch } = await this.#client.getRoomHierarchy(space, 50, undefined, undefined, from);
        found.push(...rooms.map(publicRoom));
        from = next_batch;
      } while (from !== undefined);
      return found;
    });
  }

  // Coming and going.

  openDirect(person: UserId): Promise<RoomId> {
    return refusing(async () => {
      for (const [id, other] of directPeople(this.#client)) {
        const room = other === person ? this.#client.getRoom(id) : null;
        if (room?.getMyMembership() !== "join") continue;
        const theirs = room.getMember(person)?.membership;
        if (theirs === "join" || theirs === "invite") return id;
      }
      const id = await this.#create({ preset: Preset.TrustedPrivateChat, is_direct: true, invite: [person] });
      await this.#rememberDirect(id, person);
      return id;
    });
  }

  createGroup(name: string, people: readonly UserId[]): Promise<RoomId> {
    return refusing(() => this.#create({ preset: Preset.PrivateChat, name, invite: [...people] }));
  }

  accept(room: RoomId): Promise<void> {
    return refusing(async () => {
      const inviter = this.#client.getRoom(room)?.getDMInviter();
      await this.#client.joinRoom(room);
      if (inviter !== undefined) await this.#rememberDirect(room, inviter);
    });
  }

  decline(room: RoomId): Promise<void> {
    return this.leave(room);
  }

  join(room: RoomId): Promise<void> {
    return this.#do((client) => client.joinRoom(room));
  }

  knock(room: RoomId, reason: string): Promise<void> {
    return this.#do((client) => client.knockRoom(room, reason === "" ? {} : { reason }));
  }

  leave(room: RoomId): Promise<void> {
    return this.#do((client) => client.leave(room));
  }

  forget(room: RoomId): Promise<void> {
    return this.#do(async (client) => {
      await client.leave(room);
      await client.forget(room);
    });
  }

  // One's own view of a room.

  setTag(room: RoomId, tag: Tag | undefined): Promise<void> {
    return this.#do(async (client) => {
      const now = client.getRoom(room)?.tags ?? {};
      if (tag !== undefined) await client.setRoomTag(room, tagNames[tag], {});
      for (const [other, name] of Object.entries(tagNames)) if (other !== tag && name in now) await client.deleteRoomTag(room, name);
    });
  }

  setNotify(room: RoomId, notify: Notify): Promise<void> {
    return this.#do((client) => setNotify(client, room, notify));
  }

  markUnread(room: RoomId): Promise<void> {
    return this.#do((client) => client.setRoomAccountData(room, EventType.MarkedUnread, { unread: true }));
  }

  markAllRead(room: RoomId): Promise<void> {
    return this.#do(async (client) => {
      const newest = client.getRoom(room)?.getLiveTimeline().getEvents().at(-1);
      const id = newest?.getId();
      if (newest !== undefined && id !== undefined) await client.setRoomReadMarkers(room, id, newest);
      await this.unmarkUnread(room);
    });
  }

  /** Takes the mark away that somebody set by hand: they have come back to the room. */
  async unmarkUnread(id: RoomId): Promise<void> {
    const room = this.#client.getRoom(id);
    if (room !== null && isMarkedUnread(room)) await this.#client.setRoomAccountData(id, EventType.MarkedUnread, { unread: false });
  }

  block(person: UserId, blocked: boolean): Promise<void> {
    return this.#do((client) => {
      const others = client.getIgnoredUsers().filter((one) => one !== person);
      return client.setIgnoredUsers(blocked ? [...others, person] : others);
    });
  }

  report(room: RoomId, reason: string): Promise<void> {
    return this.#do((client) => client.reportRoom(room, reason));
  }

  setPresence(presence: Presence): Promise<void> {
    return this.#do((client) => setOwnPresence(client, presence, this.#presence));
  }

  // The room itself.

  details(id: RoomId): Readable<RoomDetails> | undefined {
    const known = this.#details.get(id);
    if (known !== undefined) return known.store;
    const room = this.#client.getRoom(id);
    if (room?.getMyMembership() !== "join") return undefined;
    const feed = new DetailsFeed(this.#client, room);
    this.#details.set(id, feed);
    return feed.store;
  }

  invite(room: RoomId, person: UserId): Promise<void> {
    return this.#do((client) => client.invite(room, person));
  }

  remove(room: RoomId, person: UserId): Promise<void> {
    return this.#do((client) => client.kick(room, person));
  }

  ban(room: RoomId, person: UserId, reason: string): Promise<void> {
    return this.#do((client) => client.ban(room, person, reason === "" ? undefined : reason));
  }

  unban(room: RoomId, person: UserId): Promise<void> {
    return this.#do((client) => client.unban(room, person));
  }

  setLevel(room: RoomId, person: UserId, level: number): Promise<void> {
    return this.#do((client) => client.setPowerLevel(room, person, level));
  }

  setNeeds(room: RoomId, permission: Permission, level: number): Promise<void> {
    return this.#do((client) => {
      const now = client.getRoom(room)?.currentState.getStateEvents(EventType.RoomPowerLevels, "")?.getContent() ?? {};
      return this.#setState(room, EventType.RoomPowerLevels, withNeed(now, permission, level));
    });
  }

  setName(room: RoomId, name: string): Promise<void> {
    return this.#do(() => this.#setState(room, EventType.RoomName, { name }));
  }

  setTopic(room: RoomId, topic: string): Promise<void> {
    return this.#do(() => this.#setState(room, EventType.RoomTopic, { topic }));
  }

  setPicture(room: RoomId, picture: Blob | undefined): Promise<void> {
    return this.#do(async () => {
      const content = picture === undefined ? {} : { url: await this.#upload(picture), info: { mimetype: picture.type, size: picture.size } };
      await this.#setState(room, EventType.RoomAvatar, content);
    });
  }

  setJoinRule(room: RoomId, rule: JoinRule): Promise<void> {
    return this.#do(() => {
      if (rule === "restricted") throw new Refusal("other", "the rooms whose members may join are chosen elsewhere");
      return this.#setState(room, EventType.RoomJoinRules, { join_rule: rules[rule] });
    });
  }

  setHistory(room: RoomId, history: History): Promise<void> {
    return this.#do(() => this.#setState(room, EventType.RoomHistoryVisibility, { history_visibility: histories[history] }));
  }

  encrypt(room: RoomId): Promise<void> {
    return this.#do(() => this.#setState(room, EventType.RoomEncryption, encryption));
  }

  listed(room: RoomId): Promise<boolean> {
    return refusing(async () => (await this.#client.getRoomDirectoryVisibility(room)).visibility === Visibility.Public);
  }

  setListed(room: RoomId, listed: boolean): Promise<void> {
    return this.#do((client) => client.setRoomDirectoryVisibility(room, listed ? Visibility.Public : Visibility.Private));
  }

  #do(act: (client: MatrixClient) => Promise<unknown>): Promise<void> {
    return refusing(async () => {
      await act(this.#client);
    });
  }

  #setState(room: RoomId, type: string, content: object): Promise<unknown> {
    return this.#client.sendStateEvent(room, type as never, content as never, "");
  }

  async #create(options: { preset: Preset; name?: string; is_direct?: boolean; invite: string[] }): Promise<RoomId> {
    const state = { type: EventType.RoomEncryption, state_key: "", content: encryption };
    const { room_id } = await this.#client.createRoom({ visibility: Visibility.Private, initial_state: [state], ...options });
    return room_id;
  }

  async #rememberDirect(room: RoomId, person: UserId): Promise<void> {
    const now: Record<string, unknown> = this.#client.getAccountData("m.direct" as never)?.getContent() ?? {};
    const rooms = Array.isArray(now[person]) ? (now[person] as unknown[]) : [];
    if (rooms.includes(room)) return;
    await this.#client.setAccountData("m.direct" as never, { ...now, [person]: [...rooms, room] } as never);
  }
}

function publicRoom(room: IPublicRoomsChunkRoom): PublicRoom {
  return {
    id: room.room_id,
    name: room.name ?? room.canonical_alias ?? "",
    topic: room.topic ?? "",
    picture: pictureAt(room.avatar_url),
    members: room.num_joined_members,
    space: room.room_type === RoomType.Space,
    entry: entryOf(room.join_rule),
  };
}

/** A directory that names no rule lists rooms that everybody may join; Matrix, "Published room directory". */
function entryOf(rule: string | undefined): PublicRoom["entry"] {
  if (rule === undefined || rule === "public") return "open";
  return rule === "knock" || rule === "knock_restricted" ? "ask" : "closed";
}
