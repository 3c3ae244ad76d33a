import type { Permission } from "../store/Rooms.ts";

type Content = Readonly<Record<string, unknown>>;

/** Where a permission stands in the content of m.room.power_levels: at its top, in a part of it, and what holds when it says nothing. */
const places: Readonly<Record<Permission, { readonly part?: "events" | "notifications"; readonly name: string; readonly default: number | "state" }>> = {
  write: { name: "events_default", default: 0 },
  invite: { name: "invite", default: 0 },
  remove: { name: "kick", default: 50 },
  ban: { name: "ban", default: 50 },
  redact: { name: "redact", default: 50 },
  announce: { part: "notifications", name: "room", default: 50 },
  pin: { part: "events", name: "m.room.pinned_events", default: "state" },
  name: { part: "events", name: "m.room.name", default: "state" },
  topic: { part: "events", name: "m.room.topic", default: "state" },
  picture: { part: "events", name: "m.room.avatar", default: "state" },
  joinRule: { part: "events", name: "m.room.join_rules", default: "state" },
  history: { part: "events", name: "m.room.history_visibility", default: "state" },
  encrypt: { part: "events", name: "m.room.encryption", default: "state" },
  roles: { part: "events", name: "m.room.power_levels", default: "state" },
  upgrade: { part: "events", name: "m.room.tombstone", default: "state" },
};

/** The level that each permission asks for; Matrix, "m.room.power_levels". */
export function needsOf(content: Content): Record<Permission, number> {
  const state = level(content["state_default"]) ?? 50;
  const needs: Partial<Record<Permission, number>> = {};
  for (const [permission, place] of Object.entries(places) as [Permission, (typeof places)[Permission]][]) {
    const holder = place.part === undefined ? content : record(content[place.part]);
    needs[permission] = level(holder[place.name]) ?? (place.default === "state" ? state : place.default);
  }
  return needs as Record<Permission, number>;
}

/** The same power levels with another level for one permission. */
export function withNeed(content: Content, permission: Permission, to: number): Content {
  const { part, name } = places[permission];
  return part === undefined ? { ...content, [name]: to } : { ...content, [part]: { ...record(content[part]), [name]: to } };
}

function level(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}

function record(value: unknown): Content {
  return typeof value === "object" && value !== null ? (value as Content) : {};
}
