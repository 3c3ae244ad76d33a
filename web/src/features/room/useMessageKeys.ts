import type { KeyboardEvent } from "react";

import { can, perform } from "../../actions/Action.ts";
import { messageActions } from "../../actions/message.ts";
import { pressed } from "../../actions/shortcut.ts";
import { useApp } from "../context.ts";
import type { Desk } from "./Desk.ts";

/**
 * The keyboard in a conversation: the arrows go from message to message, Enter opens the menu of the one that has the
 * focus, and the keys of its commands do them.
 */
export function useMessageKeys(desk: Desk): (event: KeyboardEvent<HTMLElement>) => void {
  const app = useApp();
  return (event) => {
    const box = event.currentTarget;
    const at = event.target instanceof HTMLElement && event.target.matches("article") ? event.target : undefined;
    if (at === undefined && event.target !== box) return;
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      const all = [...box.querySelectorAll<HTMLElement>("article")];
      const next = at === undefined ? all.at(-1) : all[all.indexOf(at) + (event.key === "ArrowUp" ? -1 : 1)];
      event.preventDefault();
      next?.focus();
      next?.scrollIntoView({ block: "nearest" });
      return;
    }
    if (at === undefined) return;
    if (event.key === "Enter" || event.key === "ContextMenu") {
      event.preventDefault();
      at.querySelector<HTMLElement>("[data-menu]")?.click();
      return;
    }
    const row = desk.timeline.snapshot.rows.find((one) => one.key === at.parentElement?.dataset["row"]);
    if (row?.kind !== "message" || row.item === undefined) return;
    const target = desk.target(row.item);
    const action = messageActions.find((one) => one.shortcuts?.some((shortcut) => pressed(shortcut, event)) === true);
    if (action === undefined || !can(app, action, target)) return;
    event.preventDefault();
    void perform(app, action, target);
  };
}
