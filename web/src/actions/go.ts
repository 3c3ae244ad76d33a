import type { App } from "../store/App.ts";
import { isUnread } from "../store/inbox.ts";
import type { Action } from "./Action.ts";

function signedIn(app: App): boolean {
  const { phase } = app.session.snapshot;
  return phase === "open" || phase === "opening";
}

export const goInbox: Action = {
  id: "go.inbox",
  label: "action.goInbox",
  icon: "inbox",
  shortcuts: [{ key: "e", mod: true, shift: true }],
  when: signedIn,
  run: (app) => {
    app.route.go({ at: "inbox" });
  },
};

export const newConversation: Action = {
  id: "go.people",
  label: "inbox.new",
  icon: "write",
  shortcuts: [{ key: "k", mod: true, shift: true }],
  when: signedIn,
  run: (app) => {
    app.route.go({ at: "people" });
  },
};

export const goRooms: Action = {
  id: "go.rooms",
  label: "rooms.title",
  icon: "people",
  when: signedIn,
  run: (app) => {
    app.route.go({ at: "rooms" });
  },
};

export const goMe: Action = {
  id: "go.me",
  label: "action.goMe",
  icon: "person",
  shortcuts: [{ key: ",", mod: true }],
  when: signedIn,
  run: (app) => {
    app.route.go({ at: "me" });
  },
};

/** The conversation `step` lines below the open one; from elsewhere the first or the last. */
function neighbour(app: App, step: 1 | -1, unreadOnly: boolean): string | undefined {
  const place = app.route.snapshot;
  const rooms = app.rooms.snapshot.filter((room) => room.membership === "joined");
  const open = rooms.findIndex((room) => place.at === "room" && room.id === place.room);
  const ordered = step === 1 ? [...rooms.slice(open + 1), ...rooms.slice(0, Math.max(open, 0))] : rooms.slice(0, open === -1 ? undefined : open).reverse();
  return (unreadOnly ? ordered.filter(isUnread) : ordered)[0]?.id;
}

function stepTo(step: 1 | -1, unreadOnly: boolean): Pick<Action, "when" | "run"> {
  return {
    when: (app) => signedIn(app) && neighbour(app, step, unreadOnly) !== undefined,
    run: (app) => {
      const room = neighbour(app, step, unreadOnly);
      if (room !== undefined) app.route.go({ at: "room", room });
    },
  };
}

export const nextConversation: Action = { id: "go.next", label: "action.next", icon: "arrowDown", shortcuts: [{ key: "ArrowDown", alt: true }], ...stepTo(1, false) };
export const previousConversation: Action = { id: "go.previous", label: "action.previous", icon: "arrowUp", shortcuts: [{ key: "ArrowUp", alt: true }], ...stepTo(-1, false) };
export const nextUnread: Action = { id: "go.unread", label: "action.nextUnread", icon: "bell", shortcuts: [{ key: "ArrowDown", alt: true, shift: true }], ...stepTo(1, true) };

export const openPalette: Action = {
  id: "palette",
  label: "action.palette",
  icon: "search",
  shortcuts: [{ key: "k", mod: true }],
  when: signedIn,
  run: (app) => {
    app.overlay.set("palette");
  },
};

/** Looks for words in the messages of all conversations. */
export function lookFor(app: App, term: string): void {
  app.wish.update((wish) => ({ term: term.trim(), everywhere: true, asked: wish.asked + 1 }));
  app.route.go({ at: "search" });
}

/** In the open conversation, else in all. */
export const searchMessages: Action = {
  id: "search",
  label: "action.search",
  icon: "search",
  shortcuts: [{ key: "f", mod: true }],
  when: signedIn,
  run: (app) => {
    const place = app.route.snapshot;
    const wide = place.at === "room" && place.side === "search" && app.wish.snapshot.everywhere;
    app.wish.update((wish) => ({ ...wish, everywhere: wide, asked: wish.asked + 1 }));
    if (place.at !== "room") app.route.go({ at: "search" });
    else if (place.side !== "search") app.route.go({ at: "room", room: place.room, side: "search" });
  },
};

export const showShortcuts: Action = {
  id: "shortcuts",
  label: "shortcuts.title",
  icon: "keyboard",
  shortcuts: [{ key: "?" }, { key: "/", mod: true }],
  run: (app) => {
    app.overlay.set("shortcuts");
  },
};
