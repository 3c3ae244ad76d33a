import type { App } from "../store/App.ts";
import type { Presence } from "../store/model.ts";
import type { Action } from "./Action.ts";

function choose(presence: Presence): Pick<Action, "when" | "run"> {
  return {
    when: (app: App) => app.session.snapshot.phase === "open",
    run: (app: App) => app.homeserver.rooms.setPresence(presence),
  };
}

/** What others are told about whether one is there. */
export const presences: readonly Action[] = [
  { id: "presence.online", label: "action.available", icon: "tick", ...choose("online") },
  { id: "presence.away", label: "action.away", icon: "clock", ...choose("away") },
  { id: "presence.offline", label: "action.invisible", icon: "moon", ...choose("offline") },
];
