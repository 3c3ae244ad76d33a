import { type KeyboardEvent, type ReactNode, useEffect, useRef } from "react";

import { Icon } from "./Icon.tsx";
import { place, target, type MenuItem } from "./Menu.tsx";
import styles from "./Menu.module.css";

export interface MenuPopupProps {
  readonly label: string;
  readonly items: readonly MenuItem[];
  /** What it belongs to; it gets the focus back. */
  readonly anchor: HTMLElement;
  /** A few of them side by side above the rest, by their sign alone. */
  readonly signs?: readonly { readonly sign: string; readonly label: string; readonly onSelect: () => void }[];
  readonly onClose: () => void;
}

/** A list of commands that is open as long as it is there: for many things that share one menu. */
export function MenuPopup({ label, items, anchor, signs = [], onClose }: MenuPopupProps): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const lines = (): HTMLElement[] => [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
  useEffect(() => {
    const menu = box.current;
    if (menu === null) return;
    menu.showPopover();
    place(menu, anchor.getBoundingClientRect());
    menu.querySelector<HTMLElement>("[role=menuitem]")?.focus();
  }, [anchor]);
  const press = (event: KeyboardEvent): void => {
    const all = lines();
    const key = event.key === "ArrowRight" || event.key === "ArrowLeft" ? sideways(event.key, box.current) : event.key;
    if (key === "Tab") box.current?.hidePopover();
    const to = target(key, all.indexOf(document.activeElement as HTMLElement), all);
    if (to === undefined) return;
    event.preventDefault();
    all[to]?.focus();
  };
  const choose = (act: () => void): void => {
    box.current?.hidePopover();
    act();
  };
  return (
    <div
      ref={box}
      role="menu"
      aria-label={label}
      popover="auto"
      className={styles["menu"]}
      onKeyDown={press}
      onToggle={(event) => {
        if (event.newState === "closed") onClose();
      }}
    >
      {signs.length > 0 && (
        <div className={styles["signs"]} role="presentation">
          {signs.map(({ sign, label: words, onSelect }) => (
            <button
              key={sign}
              type="button"
              role="menuitem"
              tabIndex={-1}
              aria-label={words}
              title={words}
              onClick={() => {
                choose(onSelect);
              }}
            >
              {sign}
            </button>
          ))}
        </div>
      )}
      {items.map((item) => (
        <button
          key={item.id}
          type="button"
          role="menuitem"
          tabIndex={-1}
          className={styles["item"]}
          data-danger={item.danger === true}
          onClick={() => {
            choose(item.onSelect);
          }}
        >
          {item.icon !== undefined && <Icon name={item.icon} />}
          <span>{item.label}</span>
          {item.hint !== undefined && (
            <kbd dir="ltr" aria-hidden="true">
              {item.hint}
            </kbd>
          )}
        </button>
      ))}
    </div>
  );
}

/** Along the row of signs, the way the language runs. */
function sideways(key: "ArrowRight" | "ArrowLeft", box: HTMLElement | null): string {
  const rtl = box !== null && getComputedStyle(box).direction === "rtl";
  return (key === "ArrowRight") !== rtl ? "ArrowDown" : "ArrowUp";
}
