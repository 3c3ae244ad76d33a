import { type ReactNode, useEffect, useState } from "react";
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
      <div className={styles["picker"]}>
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
          {shown.map((emoji) => (
            <li key={emoji.sign}>
              <button
                type="button"
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
