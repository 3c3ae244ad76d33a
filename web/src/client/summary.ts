import { NotificationCountType, type MatrixClient, type MatrixEvent, type Room } from "matrix-js-sdk";

import type { LastLine, MediaSource, Person, RoomId, RoomSummary, Space, Tag } from "../store/model.ts";
import { plainText } from "../store/plain.ts";
import { bodyOf, personIn, priorityOf } from "./events.ts";
import { notifyOf } from "./notify.ts";
import { localPart } from "./wire.ts";

/** Which rooms are direct conversations, and with whom. */
export function directPeople(client: MatrixClient): Map<RoomId, string> {
  const content: Record<string, unknown> = client.getAccountData("m.direct" as never)?.getContent() ?? {};
  const found = new Map<RoomId, string>();
  for (const [person, rooms] of Object.entries(content)) {
    if (Array.isArray(rooms)) for (const room of rooms) if (typeof room === "string") found.set(room, person);
  }
  return found;
}

/** A room's line in the list; undefined for what does not belong there. `before` is the line as it was. */
export function summaryOf(room: Room, client: MatrixClient, directWith: string | undefined, before: RoomSummary | undefined): RoomSummary | undefined {
  const membership = membershipOf(room);
  const space = room.isSpaceRoom();
  if (membership === undefined || (space && membership === "joined")) return undefined;
  const me = client.getSafeUserId();
  const inviter = membership === "invited" ? inviterOf(room, me) : undefined;
  const other = directWith ?? (room.getDMInviter() !== undefined ? inviter?.id : undefined);
  const direct = other === undefined ? undefined : personIn(room, other);
  return {
    id: room.roomId,
    name: direct !== undefined && room.getJoinedMemberCount() + room.getInvitedMemberCount() <= 2 ? direct.name : room.name,
    picture: pictureAt(room.getMxcAvatarUrl()),
    direct,
    membership,
    inviter,
    space,
    encrypted: room.hasEncryptionStateEvent(),
    unread: room.getUnreadNotificationCount(NotificationCountType.Total),
    mentions: room.getUnreadNotificationCount(NotificationCountType.Highlight),
    markedUnread: isMarkedUnread(room),
    tag: tagOf(room),
    notify: notifyOf(client.pushRules, room.roomId),
    at: Math.max(room.getLastActiveTimestamp(), 0),
    last: lastLine(client, room, me, before),
    members: room.getJoinedMemberCount(),
  };
}

export function spaceOf(room: Room): Space | undefined {
  if (!room.isSpaceRoom() || room.getMyMembership() !== "join") return undefined;
  const children = room.currentState.getStateEvents("m.space.child" as never) as MatrixEvent[];
  // A child without a server to reach it by has been taken out; Matrix, "m.space.child".
  const rooms = children.filter((child) => Array.isArray(child.getContent()["via"])).map((child) => child.getStateKey() ?? "");
  return { id: room.roomId, name: room.name, rooms };
}

/** A picture that is not encrypted, such as a room's; its address is all that is known of it. */
export function pictureAt(url: unknown): MediaSource | undefined {
  return typeof url === "string" && url.startsWith("mxc://") ? { url, type: "image/png", size: undefined, file: undefined } : undefined;
}

export function isMarkedUnread(room: Room): boolean {
  return room.getAccountData("m.marked_unread")?.getContent()["unread"] === true;
}

function membershipOf(room: Room): RoomSummary["membership"] | undefined {
  switch (room.getMyMembership()) {
    case "join":
      return "joined";
    case "invite":
      return "invited";
    case "knock":
      return "knocked";
    default:
      return undefined;
  }
}

function tagOf(room: Room): Tag | undefined {
  if ("m.favourite" in room.tags) return "favourite";
  return "m.lowpriority" in room.tags ? "low" : undefined;
}

function inviterOf(room: Room, me: string): Person | undefined {
  const sender = room.getMember(me)?.events.member?.getSender();
  return sender === undefined ? undefined : personIn(room, sender);
}

function lastLine(client: MatrixClient, room: Room, me: string, before: RoomSummary | undefined): LastLine {
  const events = room.getLiveTimeline().getEvents();
  for (let i = events.length - 1; i >= 0; i--) {
    const event: MatrixEvent | undefined = events[i];
    if (event === undefined || event.isState()) continue;
    if (event.shouldAttemptDecryption()) void client.decryptEventIfNeeded(event); // then this is asked again
    // What was there stays until it is known, so that the line does not flicker with each message.
    if (event.isBeingDecrypted()) return before === undefined || before.last.kind === "none" ? { kind: "decrypting" } : before.last;
    const body = bodyOf(event);
    if (body === undefined) continue;
    const id = event.getSender() ?? "";
    const sender = personIn(room, id);
    const own = id === me;
    const said = { sender, own, priority: priorityOf(event.getOriginalContent()) };
    return body.kind === "text" ? { kind: "text", text: plainText(body.text, body.html).slice(0, 200), ...said } : { kind: body.kind, ...said };
  }
  return { kind: "none" };
}

/** Names a room that has no name of its own after its members. */
export function roomName(_room: RoomId, state: object): string {
  if ("name" in state && typeof state.name === "string") return state.name;
  if ("names" in state && Array.isArray(state.names)) return state.names.map((name) => localPart(String(name))).join(", ");
  return "oldName" in state && typeof state.oldName === "string" ? state.oldName : "";
}
