import type { RoomSummary, Timeline } from "./model.ts";

// What is true of a room as long as nothing is known about it.

export const blankTimeline: Omit<Timeline, "room"> = {
  items: [],
  marks: [],
  delivered: [],
  typing: [],
  others: [],
  history: "loading",
  newer: "live",
  behind: 0,
  unread: undefined,
  pinned: [],
  powers: { pin: false, remove: false, expiry: false, mentionRoom: false },
  expiry: undefined,
};

export const blankSummary: Omit<RoomSummary, "id"> = {
  name: "",
  picture: undefined,
  direct: undefined,
  membership: "joined",
  inviter: undefined,
  space: false,
  encrypted: false,
  unread: 0,
  mentions: 0,
  markedUnread: false,
  tag: undefined,
  notify: "all",
  at: 0,
  last: { kind: "none" },
  members: 0,
};
