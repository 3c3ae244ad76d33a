import type { Word, Words } from "../../i18n/words.tsx";
import type { History, JoinRule, Permission, RoomDetails } from "../../store/Rooms.ts";
import type { Notify } from "../../store/model.ts";
import { may, roleOf, type RoomRole } from "../../store/roles.ts";

export const roleWords: Readonly<Record<RoomRole, Word>> = {
  owner: "role.owner",
  administrator: "role.administrator",
  moderator: "role.moderator",
  member: "role.member",
  reader: "role.reader",
};

/** "Only administrators may change this." */
const onlyWords: Readonly<Record<RoomRole, Word>> = {
  owner: "only.owner",
  administrator: "only.administrator",
  moderator: "only.moderator",
  member: "only.member",
  reader: "only.member",
};

export const whoWords: Readonly<Record<RoomRole, Word>> = {
  owner: "who.owner",
  administrator: "who.administrator",
  moderator: "who.moderator",
  member: "who.member",
  reader: "who.member",
};

export const joinRuleWords: Readonly<Record<JoinRule, readonly [Word, Word]>> = {
  invite: ["join.invite", "join.inviteText"],
  knock: ["join.knock", "join.knockText"],
  restricted: ["join.restricted", "join.restrictedText"],
  public: ["join.public", "join.publicText"],
};

export const historyWords: Readonly<Record<History, readonly [Word, Word]>> = {
  shared: ["history.shared", "history.sharedText"],
  invited: ["history.invited", "history.invitedText"],
  joined: ["history.joined", "history.joinedText"],
  world: ["history.world", "history.worldText"],
};

export const notifyWords: Readonly<Record<Notify, Word>> = {
  all: "notify.all",
  mentions: "notify.mentions",
  none: "notify.none",
};

export const permissionWords: Readonly<Record<Permission, Word>> = {
  write: "may.write",
  invite: "may.invite",
  remove: "may.remove",
  ban: "may.ban",
  redact: "may.redact",
  announce: "may.announce",
  pin: "may.pin",
  name: "may.name",
  topic: "may.topic",
  picture: "may.picture",
  joinRule: "may.joinRule",
  history: "may.history",
  encrypt: "may.encrypt",
  roles: "may.roles",
  upgrade: "may.upgrade",
};

/** Why somebody may not; undefined when they may. */
export function whyNot(details: RoomDetails, permission: Permission, { t }: Words): string | undefined {
  return may(details, permission) ? undefined : t(onlyWords[roleOf(details.needs[permission])]);
}
