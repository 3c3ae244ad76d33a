import type { RoomId, RoomSummary } from "./model.ts";

/** Is there something in a room to come back to? */
export function isUnread(room: RoomSummary): boolean {
  return room.unread > 0 || room.mentions > 0 || room.markedUnread;
}

export const sectionNames = ["favourite", "unread", "recent", "low"] as const;

export type SectionName = (typeof sectionNames)[number];

export interface Section {
  readonly name: SectionName;
  readonly rooms: readonly RoomSummary[];
}

/** Where a room stands in the list. What somebody has put in a place themselves stays there. */
export function sectionOf(room: RoomSummary): SectionName {
  return room.tag ?? (isUnread(room) ? "unread" : "recent");
}

/** A room that is kept where it was while it is open: reading it would move it away from under one's finger. */
export interface Held {
  readonly room: RoomId;
  readonly section: SectionName;
}

/** The sections that have something in them, each with the newest first. */
export function sectionsOf(rooms: readonly RoomSummary[], held: Held | undefined): readonly Section[] {
  const filled = new Map<SectionName, RoomSummary[]>(sectionNames.map((name) => [name, []]));
  for (const room of rooms) {
    const stays = held?.room === room.id && room.tag === undefined && (held.section === "unread" || held.section === "recent");
    filled.get(stays ? held.section : sectionOf(room))?.push(room);
  }
  return [...filled].filter(([, found]) => found.length > 0).map(([name, found]) => ({ name, rooms: found }));
}
