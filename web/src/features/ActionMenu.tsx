import type { ReactNode } from "react";

import { can, perform, type Action } from "../actions/Action.ts";
import { useWords } from "../i18n/words.tsx";
import type { IconName } from "../ui/icons.ts";
import { Menu } from "../ui/Menu.tsx";
import { useApp } from "./context.ts";
import { keysOf } from "./Keys.tsx";

export interface ActionMenuProps<T> {
  /** What the menu is about, for those who do not see where it stands. */
  readonly label: string;
  readonly icon?: IconName;
  readonly actions: readonly Action<T>[];
  readonly target: T;
}

/** The commands that can be done to something, behind one button. Not there when there are none. */
export function ActionMenu<T>({ label, icon = "menu", actions, target }: ActionMenuProps<T>): ReactNode {
  const { t } = useWords();
  const app = useApp();
  const items = actions
    .filter((action) => can(app, action, target))
    .map((action) => ({
      id: action.id,
      label: t(action.label),
      icon: action.icon,
      danger: action.danger === true,
      hint: action.shortcuts?.[0] === undefined ? undefined : keysOf(action.shortcuts[0], t).join("+"),
      onSelect: () => void perform(app, action, target),
    }));
  return items.length === 0 ? null : <Menu label={label} icon={icon} items={items} />;
}
