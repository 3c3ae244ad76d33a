import { useEffect } from "react";

import { can, perform } from "../actions/Action.ts";
import { commands } from "../actions/commands.ts";
import { isBare, pressed } from "../actions/shortcut.ts";
import { useApp } from "./context.ts";

/** Listens for the shortcuts of the commands, except while a dialog is open. */
export function useShortcuts(): void {
  const app = useApp();
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]") !== null) return;
      const bare = app.preferences.snapshot.singleKeys === "on";
      const typing = event.target instanceof HTMLElement && event.target.matches("input, textarea, select, [contenteditable]");
      for (const action of commands) {
        const meant = action.shortcuts?.some((shortcut) => pressed(shortcut, event) && (!isBare(shortcut) || (bare && !typing)));
        if (meant !== true || !can(app, action, undefined)) continue;
        event.preventDefault();
        void perform(app, action, undefined);
        return;
      }
    };
    addEventListener("keydown", press);
    return () => {
      removeEventListener("keydown", press);
    };
  }, [app]);
}
