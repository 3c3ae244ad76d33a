import { ClientEvent, MatrixEventEvent, NotificationCountType, RoomEvent, RoomMemberEvent, RoomStateEvent, type MatrixClient, type MatrixEvent, type Room } from "matrix-js-sdk";

import type { Store } from "../store/Store.ts";
import type { LastLine, Person, RoomId, RoomSummary } from "../store/model.ts";
import { bodyOf, personIn } from "./events.ts";
import { localPart } from "./wire.ts";

/** Keeps the room list in step with the SDK: rooms that changed are summed up again, at most once per turn. */
export class RoomFeed {
  readonly #client: MatrixClient;
  readonly #list: Store<readonly RoomSummary[]>;
  readonly #known = new Map<RoomId, RoomSummary>();
  readonly #changed = new Set<RoomId>();
  #all = true;
  #due = false;

  constructor(client: MatrixClient, list: Store<readonly RoomSummary[]>) {
    this.#client = client;
    this.#list = list;
    const room = (room: Room | undefined): void => {
      if (room !== undefined) this.#touch(room.roomId);
    };
    client.on(ClientEvent.Room, room);
    client.on(ClientEvent.DeleteRoom, (id) => {
      this.#touch(id);
    });
    client.on(RoomEvent.Timeline, (_event, at) => {
      room(at);
    });
    client.on(RoomEvent.Name, room);
    client.on(RoomEvent.MyMembership, room);
    client.on(RoomEvent.Receipt, (_event, at) => {
      room(at);
    });
    client.on(RoomEvent.Redaction, (_event, at) => {
      room(at);
    });
    client.on(RoomStateEvent.Events, (event) => {
      this.#touch(event.getRoomId());
    });
    client.on(RoomMemberEvent.Name, (_event, member) => {
      this.#touch(member.roomId);
    });
    client.on(MatrixEventEvent.Decrypted, (event) => {
      this.#touch(event.getRoomId());
    });
    client.on(ClientEvent.AccountData, (event) => {
      if (event.getType() === "m.direct") this.#touchAll();
    });
    client.on(ClientEvent.Sync, () => {
      this.#touchAll();
    });
  }

  #touchAll(): void {
    this.#all = true;
    this.#schedule();
  }

  #touch(room: RoomId | undefined): void {
    if (room === undefined) return;
    this.#changed.add(room);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#due) return;
    this.#due = true;
    setTimeout(() => {
      this.#due = false;
      this.#refresh();
    });
  }

  #refresh(): void {
    const direct = directPeople(this.#client);
    const ids = this.#all ? new Set([...this.#client.getRooms().map((room) => room.roomId), ...this.#known.keys()]) : new Set(this.#changed);
    this.#all = false;
    this.#changed.clear();
    let different = false;
    for (const id of ids) {
      const room = this.#client.getRoom(id);
      const next = room === null ? undefined : summaryOf(room, this.#client, direct.get(id));
      const old = this.#known.get(id);
      if (next === undefined) different = this.#known.delete(id) || different;
      else if (JSON.stringify(next) !== JSON.stringify(old)) {
        this.#known.set(id, next);
        different = true;
      }
    }
    if (different) this.#list.set([...this.#known.values()].sort((a, b) => b.at - a.at));
  }
}

/** Which rooms are direct conversations, and with whom. */
export function directPeople(client: MatrixClient): Map<RoomId, string> {
  const content: Record<string, unknown> = client.getAccountData("m.direct" as never)?.getContent() ?? {};
  const found = new Map<RoomId, string>();
  for (const [person, rooms] of Object.entries(content)) {
    if (Array.isArray(rooms)) for (const room of rooms) if (typeof room === "string") found.set(room, person);
  }
  return found;
}

function summaryOf(room: Room, client: MatrixClient, directWith: string | undefined): RoomSummary | undefined {
  const membership = room.getMyMembership();
  if (membership !== "join" && membership !== "invite") return undefined;
  const me = client.getSafeUserId();
  const invited = membership === "invite";
  const inviter = invited ? inviterOf(room, me) : undefined;
  const other = directWith ?? (invited && room.getDMInviter() !== undefined ? inviter?.id : undefined);
  const direct = other === undefined ? undefined : personIn(room, other);
  const unread = room.getUnreadNotificationCount(NotificationCountType.Total);
  return {
    id: room.roomId,
    name: direct !== undefined && room.getJoinedMemberCount() + room.getInvitedMemberCount() <= 2 ? direct.name : room.name,
    direct,
    membership: invited ? "invited" : "joined",
    inviter,
    encrypted: room.hasEncryptionStateEvent(),
    unread,
    mentions: room.getUnreadNotificationCount(NotificationCountType.Highlight),
    at: Math.max(room.getLastActiveTimestamp(), 0),
    last: lastLine(client, room, me),
    members: room.getJoinedMemberCount(),
  };
}

function inviterOf(room: Room, me: string): Person | undefined {
  const sender = room.getMember(me)?.events.member?.getSender();
  return sender === undefined ? undefined : personIn(room, sender);
}

function lastLine(client: MatrixClient, room: Room, me: string): LastLine {
  const events = room.getLiveTimeline().getEvents();
  for (let i = events.length - 1; i >= 0; i--) {
    const event: MatrixEvent | undefined = events[i];
    if (event === undefined || event.isState()) continue;
    if (event.shouldAttemptDecryption()) void client.decryptEventIfNeeded(event); // then this is asked again
    const body = bodyOf(event);
    if (body === undefined) continue;
    const id = event.getSender() ?? "";
    const sender = personIn(room, id);
    const own = id === me;
    return body.kind === "text" ? { kind: "text", sender, own, text: body.text.slice(0, 200) } : { kind: body.kind, sender, own };
  }
  return { kind: "none" };
}

/** Names a room that has no name of its own after its members. */
export function roomName(_room: RoomId, state: object): string {
  if ("name" in state && typeof state.name === "string") return state.name;
  if ("names" in state && Array.isArray(state.names)) return state.names.map((name) => localPart(String(name))).join(", ");
  return "oldName" in state && typeof state.oldName === "string" ? state.oldName : "";
}
