import type { ReactNode } from "react";

import type { Shortcut } from "../actions/shortcut.ts";
import { useWords, type Words } from "../i18n/words.tsx";
import styles from "./Keys.module.css";

/** A shortcut as it stands on the keys of this keyboard. */
export function Keys({ shortcut }: { readonly shortcut: Shortcut }): ReactNode {
  const { t } = useWords();
  return (
    <kbd className={styles["keys"]} dir="ltr">
      {keysOf(shortcut, t).map((key) => (
        <kbd key={key}>{key}</kbd>
      ))}
    </kbd>
  );
}

const apple = /Mac|iPhone|iPad/.test(navigator.platform);
const signs: Readonly<Record<string, string>> = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→" };

export function keysOf({ key, mod, shift, alt }: Shortcut, t: Words["t"]): string[] {
  const held = [
    mod === true ? (apple ? "⌘" : t("keys.ctrl")) : undefined,
    alt === true ? (apple ? "⌥" : t("keys.alt")) : undefined,
    shift === true ? (apple ? "⇧" : t("keys.shift")) : undefined,
  ];
  return [...held.filter((name) => name !== undefined), signs[key] ?? (key.length === 1 ? key.toUpperCase() : key)];
}
