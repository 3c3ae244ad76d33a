import { type KeyboardEvent, type ReactNode, useEffect, useState } from "react";
import { useIntl } from "react-intl";

import { useWords, type Word } from "../../i18n/words.tsx";
import { findEmoji, loadEmoji, type Emoji } from "../../store/emoji.ts";
import { Dialog } from "../../ui/Dialog.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import styles from "./EmojiPicker.module.css";

/** Emojibase's groups, in its order, without the one that holds only parts of signs. */
const groups: readonly (readonly [number, Word])[] = [
  [0, "emoji.smileys"],
  [1, "emoji.people"],
  [3, "emoji.nature"],
  [4, "emoji.food"],
  [5, "emoji.travel"],
  [6, "emoji.activities"],
  [7, "emoji.objects"],
  [8, "emoji.symbols"],
  [9, "emoji.flags"],
];

export interface EmojiPickerProps {
  readonly onPick: (sign: string) => void;
  readonly onClose: () => void;
}

/** All emoji, to be looked through or found by a word. */
export function EmojiPicker({ onPick, onClose }: EmojiPickerProps): ReactNode {
  const { t } = useWords();
  const { locale } = useIntl();
  const [all, setAll] = useState<readonly Emoji[] | "failed">();
  const [term, setTerm] = useState("");
  const [group, setGroup] = useState(0);
  useEffect(() => {
    loadEmoji(locale).then(setAll, () => {
      setAll("failed");
    });
  }, [locale]);
  const shown = all === undefined || all === "failed" ? [] : term === "" ? all.filter((emoji) => emoji.group === group) : findEmoji(all, term, 80);
  return (
    <Dialog title={t("emoji.title")} onClose={onClose}>
      <div className={styles["picker"]} onKeyDown={press}>
        <SearchField label={t("emoji.search")} clearLabel={t("inbox.clear")} value={term} onChange={setTerm} autoFocus />
        <div className={styles["groups"]} role="group" aria-label={t("emoji.groups")}>
          {groups.map(([number, word]) => (
            <button
              key={number}
              type="button"
              aria-pressed={term === "" && group === number}
              onClick={() => {
                setTerm("");
                setGroup(number);
              }}
            >
              {t(word)}
            </button>
          ))}
        </div>
        {all === "failed" && <p role="alert">{t("emoji.failed")}</p>}
        {term !== "" && shown.length === 0 && all !== undefined && <p role="status">{t("emoji.none", { term })}</p>}
        <ul className={styles["signs"]} tabIndex={-1}>
          {shown.map((emoji, i) => (
            <li key={emoji.sign}>
              <button
                type="button"
                data-sign=""
                tabIndex={i === 0 ? 0 : -1}
                aria-label={emoji.name}
                title={emoji.name}
                onClick={() => {
                  onPick(emoji.sign);
                }}
              >
                {emoji.sign}
              </button>
            </li>
          ))}
        </ul>
      </div>
    </Dialog>
  );
}

/** The arrows go from the search to the signs and about among them; Enter in the search takes the first. */
function press(event: KeyboardEvent<HTMLElement>): void {
  const signs = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-sign]")];
  const at = signs.indexOf(event.target as HTMLElement);
  const search = event.currentTarget.querySelector("input");
  if (at === -1) {
    if (event.target !== search || signs.length === 0 || (event.key !== "ArrowDown" && event.key !== "Enter")) return;
    event.preventDefault();
    if (event.key === "Enter") signs[0]?.click();
    else signs[0]?.focus();
    return;
  }
  const step = stepOf(event.key, signs);
  if (step === 0) return;
  event.preventDefault();
  if (at + step < 0) search?.focus();
  else signs[Math.min(at + step, signs.length - 1)]?.focus();
}

/** How many signs further a key goes: sideways as the language runs, up and down by rows. */
function stepOf(key: string, signs: readonly HTMLElement[]): number {
  const [first] = signs;
  if (first === undefined) return 0;
  const forward = getComputedStyle(first).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
  const row = signs.findIndex((sign) => sign.offsetTop > first.offsetTop);
  const columns = row === -1 ? signs.length : row;
  switch (key) {
    case "ArrowDown":
      return columns;
    case "ArrowUp":
      return -columns;
    case "ArrowLeft":
    case "ArrowRight":
      return key === forward ? 1 : -1;
    default:
      return 0;
  }
}
