import { type KeyboardEvent, type ReactNode, useId, useRef, useState } from "react";

import { IconButton } from "./Button.tsx";
import { Icon } from "./Icon.tsx";
import type { IconName } from "./icons.ts";
import styles from "./Menu.module.css";

export interface MenuItem {
  readonly id: string;
  readonly label: string;
  readonly icon?: IconName;
  readonly danger?: boolean;
  /** The shortcut that does the same. */
  readonly hint?: string | undefined;
  readonly onSelect: () => void;
}

export interface MenuProps {
  readonly label: string;
  readonly icon: IconName;
  readonly items: readonly MenuItem[];
}

const gap = 4;
const margin = 8;

/** A button with a list of commands. Arrow keys move, letters jump, Escape and a press beside it close. */
export function Menu({ label, icon, items }: MenuProps): ReactNode {
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const anchor = useRef<HTMLSpanElement>(null);
  const [open, setOpen] = useState(false);
  const lines = (): HTMLElement[] => [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
  const toggled = (now: boolean): void => {
    setOpen(now);
    if (!now) return;
    if (box.current !== null && anchor.current !== null) place(box.current, anchor.current.getBoundingClientRect());
    lines()[0]?.focus();
  };
  const press = (event: KeyboardEvent): void => {
    const all = lines();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = target(event.key, at, all);
    if (event.key === "Tab") box.current?.hidePopover();
    if (to === undefined) return;
    event.preventDefault();
    all[to]?.focus();
  };
  return (
    <span ref={anchor} className={styles["anchor"]}>
      <IconButton icon={icon} label={label} aria-haspopup="menu" aria-expanded={open} aria-controls={id} onClick={() => box.current?.togglePopover()} />
      <div
        ref={box}
        id={id}
        role="menu"
        aria-label={label}
        popover="auto"
        className={styles["menu"]}
        onKeyDown={press}
        onToggle={(event) => {
          toggled(event.newState === "open");
        }}
      >
        {items.map((item) => (
          <button
            key={item.id}
            type="button"
            role="menuitem"
            tabIndex={-1}
            className={styles["item"]}
            data-danger={item.danger === true}
            onClick={() => {
              box.current?.hidePopover();
              item.onSelect();
            }}
          >
            {item.icon !== undefined && <Icon name={item.icon} />}
            <span>{item.label}</span>
            {item.hint !== undefined && <kbd dir="ltr">{item.hint}</kbd>}
          </button>
        ))}
      </div>
    </span>
  );
}

/** Which line a key leads to, around the ends. */
export function target(key: string, at: number, lines: readonly HTMLElement[]): number | undefined {
  const last = lines.length - 1;
  if (key === "ArrowDown") return at >= last ? 0 : at + 1;
  if (key === "ArrowUp") return at <= 0 ? last : at - 1;
  if (key === "Home") return 0;
  if (key === "End") return last;
  if (key.length !== 1) return undefined;
  const begins = (line: HTMLElement): boolean => line.textContent.toLowerCase().startsWith(key.toLowerCase());
  const after = lines.findIndex((line, i) => i > at && begins(line));
  const found = after >= 0 ? after : lines.findIndex(begins);
  return found >= 0 ? found : undefined;
}

/** Under the button, at its end; above it where there is more room; never outside the window. */
export function place(box: HTMLElement, anchor: DOMRect): void {
  const { offsetWidth: width, offsetHeight: height } = box;
  const rtl = getComputedStyle(box).direction === "rtl";
  const left = rtl ? anchor.left : anchor.right - width;
  const below = anchor.bottom + gap + height <= innerHeight - margin || anchor.top < innerHeight - anchor.bottom;
  box.style.left = `${String(Math.max(margin, Math.min(left, innerWidth - width - margin)))}px`;
  box.style.top = `${String(Math.max(margin, Math.min(below ? anchor.bottom + gap : anchor.top - gap - height, innerHeight - height - margin)))}px`;
}
