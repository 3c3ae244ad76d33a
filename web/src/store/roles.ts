import type { Member, Permission, RoomDetails } from "./Rooms.ts";

/** Power in a room, in words. Rooms may hold any number; each counts as the role it reaches. What somebody is in the hospital is another matter. */
export type RoomRole = "owner" | "administrator" | "moderator" | "member" | "reader";

/** Roles that can be given, with the level of power that stands for each. */
export const roleLevels = { administrator: 100, moderator: 50, member: 0 } as const;

export type GivenRole = keyof typeof roleLevels;

export const givenRoles: readonly GivenRole[] = ["member", "moderator", "administrator"];

/** The levels that a permission can be set to, named by who has them. */
export function roleOf(level: number, write = 0): RoomRole {
  if (level > roleLevels.administrator) return "owner";
  if (level >= roleLevels.administrator) return "administrator";
  if (level >= roleLevels.moderator) return "moderator";
  return level >= write ? "member" : "reader";
}

/** Why somebody may not do something; undefined when they may. */
export type Hindrance = "needs" | "stronger" | "self" | "frozen";

export function may(details: RoomDetails, permission: Permission): boolean {
  return details.me !== undefined && details.me.membership === "joined" && details.me.level >= details.needs[permission];
}

/** May this person be removed, banned or given a role? Only by who has the power and more of it than they. */
export function hindrance(details: RoomDetails, permission: "remove" | "ban" | "roles", other: Member): Hindrance | undefined {
  const { me } = details;
  if (me === undefined || !may(details, permission)) return "needs";
  if (other.person.id === me.person.id) return permission === "roles" && other.level !== Infinity ? undefined : "self";
  return other.level >= me.level ? "stronger" : undefined;
}

/** Roles that oneself may give to somebody: none above one's own. */
export function rolesFor(details: RoomDetails, other: Member): readonly GivenRole[] {
  const mine = details.me?.level ?? 0;
  if (hindrance(details, "roles", other) !== undefined) return [];
  return givenRoles.filter((role) => roleLevels[role] <= mine);
}

/** Would giving this up leave oneself without the power to take it back, and nobody else with it? */
export function isLastOwner(details: RoomDetails): boolean {
  const { me, people, needs } = details;
  if (me === undefined || me.level < needs.roles) return false;
  return !people.some((one) => one.person.id !== me.person.id && one.membership === "joined" && one.level >= needs.roles);
}
