import { isUnread } from "../store/inbox.ts";
import type { RoomSummary } from "../store/model.ts";
import type { Action } from "./Action.ts";

// What can be done to a line of the room list.

const markRead: Action<RoomSummary> = {
  id: "room.read",
  label: "action.markRead",
  icon: "tick",
  when: (_app, room) => isUnread(room),
  run: (app, room) => app.homeserver.rooms.markAllRead(room.id),
};

const markUnread: Action<RoomSummary> = {
  id: "room.unread",
  label: "action.markUnread",
  icon: "inbox",
  when: (_app, room) => !isUnread(room),
  run: async (app, room) => {
    const place = app.route.snapshot;
    // An open room is being read.
    if (place.at === "room" && place.room === room.id) app.route.go({ at: "inbox" });
    await app.homeserver.rooms.markUnread(room.id);
  },
};

const favourite: Action<RoomSummary> = {
  id: "room.favourite",
  label: "action.favourite",
  icon: "star",
  when: (_app, room) => room.tag !== "favourite",
  run: (app, room) => app.homeserver.rooms.setTag(room.id, "favourite"),
};

const unfavourite: Action<RoomSummary> = {
  id: "room.unfavourite",
  label: "action.unfavourite",
  icon: "star",
  when: (_app, room) => room.tag === "favourite",
  run: (app, room) => app.homeserver.rooms.setTag(room.id, undefined),
};

const lower: Action<RoomSummary> = {
  id: "room.low",
  label: "action.low",
  icon: "arrowDown",
  when: (_app, room) => room.tag !== "low",
  run: (app, room) => app.homeserver.rooms.setTag(room.id, "low"),
};

const raise: Action<RoomSummary> = {
  id: "room.notLow",
  label: "action.notLow",
  icon: "arrowUp",
  when: (_app, room) => room.tag === "low",
  run: (app, room) => app.homeserver.rooms.setTag(room.id, undefined),
};

const mute: Action<RoomSummary> = {
  id: "room.mute",
  label: "action.mute",
  icon: "bellOff",
  when: (_app, room) => room.notify !== "none",
  run: (app, room) => app.homeserver.rooms.setNotify(room.id, "none"),
};

const unmute: Action<RoomSummary> = {
  id: "room.unmute",
  label: "action.unmute",
  icon: "bell",
  when: (_app, room) => room.notify === "none",
  run: (app, room) => app.homeserver.rooms.setNotify(room.id, "all"),
};

const showDetails: Action<RoomSummary> = {
  id: "room.details",
  label: "room.details",
  icon: "info",
  run: (app, room) => {
    app.route.go({ at: "room", room: room.id, pane: "about" });
  },
};

const search: Action<RoomSummary> = {
  id: "room.search",
  label: "action.searchRoom",
  icon: "search",
  when: (_app, room) => room.membership === "joined",
  run: (app, room) => {
    app.wish.update((wish) => ({ ...wish, everywhere: false, asked: wish.asked + 1 }));
    app.route.go({ at: "room", room: room.id, side: "search" });
  },
};

export const roomActions: readonly Action<RoomSummary>[] = [markRead, markUnread, favourite, unfavourite, lower, raise, mute, unmute, search, showDetails];
