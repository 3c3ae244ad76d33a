import { type KeyboardEvent, type ReactNode, useEffect, useRef } from "react";

import { Icon } from "./Icon.tsx";
import type { IconName } from "./icons.ts";
import styles from "./MenuPopup.module.css";

export interface MenuItem {
  readonly id: string;
  readonly label: string;
  readonly icon?: IconName;
  readonly danger?: boolean;
  /** The shortcut that does the same. */
  readonly hint?: string | undefined;
  readonly onSelect: () => void;
}

export interface MenuPopupProps {
  readonly id?: string;
  readonly label: string;
  readonly items: readonly MenuItem[];
  /** What it belongs to; it gets the focus back. */
  readonly anchor: HTMLElement;
  /** A few of them side by side above the rest, by their sign alone. */
  readonly signs?: readonly { readonly sign: string; readonly label: string; readonly onSelect: () => void }[];
  readonly onClose: () => void;
}

const gap = 4;
const margin = 8;

/**
 * A list of commands that is open as long as it is there, so that many things can share one. Arrow keys move, letters
 * jump, Escape and a press beside it close.
 */
export function MenuPopup({ id, label, items, anchor, signs = [], onClose }: MenuPopupProps): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const lines = (): HTMLElement[] => [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
  useEffect(() => {
    const menu = box.current;
    if (menu === null) return;
    menu.showPopover();
    menu.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    // Also when it grows, with the letters or in another language.
    const sizes = new ResizeObserver(() => {
      place(menu, anchor.getBoundingClientRect());
    });
    sizes.observe(menu);
    sizes.observe(document.documentElement);
    place(menu, anchor.getBoundingClientRect());
    return () => {
      sizes.disconnect();
    };
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
      id={id}
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

/** Which line a key leads to, around the ends. */
function target(key: string, at: number, lines: readonly HTMLElement[]): number | undefined {
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
function place(box: HTMLElement, anchor: DOMRect): void {
  const { offsetWidth: width, offsetHeight: height } = box;
  const rtl = getComputedStyle(box).direction === "rtl";
  const left = rtl ? anchor.left : anchor.right - width;
  const below = anchor.bottom + gap + height <= innerHeight - margin || anchor.top < innerHeight - anchor.bottom;
  box.style.left = `${String(Math.max(margin, Math.min(left, innerWidth - width - margin)))}px`;
  box.style.top = `${String(Math.max(margin, Math.min(below ? anchor.bottom + gap : anchor.top - gap - height, innerHeight - height - margin)))}px`;
}
