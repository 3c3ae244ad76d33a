import type { ReactNode } from "react";

import { can, perform, type Action } from "../actions/Action.ts";
import { useWords } from "../i18n/words.tsx";
import { Button, IconButton, type ButtonProps, type IconButtonProps } from "../ui/Button.tsx";
import { useApp } from "./context.ts";
import { keysOf } from "./Keys.tsx";

interface Done<T> {
  readonly action: Action<T>;
  readonly target: T;
}

/** A command as a button with its words. Not there while it cannot be done. */
export function ActionButton<T>({ action, target, ...look }: Done<T> & Pick<ButtonProps, "look" | "wide">): ReactNode {
  const { t } = useWords();
  const app = useApp();
  if (!can(app, action, target)) return null;
  return (
    <Button icon={action.icon} look={action.danger === true ? "danger" : undefined} {...look} onClick={() => void perform(app, action, target)}>
      {t(action.label)}
    </Button>
  );
}

/** A command as its drawing, with words and shortcut as the tip. */
export function ActionIcon<T>({ action, target, ...look }: Done<T> & Pick<IconButtonProps, "look">): ReactNode {
  const { t } = useWords();
  const app = useApp();
  if (!can(app, action, target)) return null;
  const [shortcut] = action.shortcuts ?? [];
  const hint = shortcut === undefined ? undefined : keysOf(shortcut, t).join("+");
  return <IconButton icon={action.icon} label={t(action.label)} hint={hint} {...look} onClick={() => void perform(app, action, target)} />;
}
