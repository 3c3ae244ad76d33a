import { type ReactNode, useId, useState } from "react";

import { IconButton } from "./Button.tsx";
import type { IconName } from "./icons.ts";
import { MenuPopup, type MenuItem } from "./MenuPopup.tsx";

export interface MenuProps {
  readonly label: string;
  readonly icon: IconName;
  readonly items: readonly MenuItem[];
}

/** A button with a list of commands. */
export function Menu({ label, icon, items }: MenuProps): ReactNode {
  const id = useId();
  /** The button, while the list is open. */
  const [anchor, setAnchor] = useState<HTMLElement>();
  const open = anchor !== undefined;
  return (
    <>
      <IconButton
        icon={icon}
        label={label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={(event) => {
          setAnchor(open ? undefined : event.currentTarget);
        }}
      />
      {open && (
        <MenuPopup
          id={id}
          label={label}
          items={items}
          anchor={anchor}
          onClose={() => {
            setAnchor(undefined);
          }}
        />
      )}
    </>
  );
}
