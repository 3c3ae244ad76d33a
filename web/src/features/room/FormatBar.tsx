import { type ReactNode, useState } from "react";

import { useWords, type Word } from "../../i18n/words.tsx";
import { IconButton } from "../../ui/Button.tsx";
import type { IconName } from "../../ui/icons.ts";
import { EmojiPicker } from "./EmojiPicker.tsx";
import styles from "./FormatBar.module.css";
import type { Format } from "./formatting.ts";

const buttons: readonly { readonly how: Format; readonly icon: IconName; readonly word: Word }[] = [
  { how: "bold", icon: "bold", word: "format.bold" },
  { how: "italic", icon: "italic", word: "format.italic" },
  { how: "list", icon: "list", word: "format.list" },
  { how: "numbers", icon: "numbers", word: "format.numbers" },
  { how: "quote", icon: "quote", word: "format.quote" },
  { how: "code", icon: "code", word: "format.code" },
  { how: "link", icon: "link", word: "format.link" },
];

export interface FormatBarProps {
  readonly onFormat: (how: Format) => void;
  readonly onEmoji: (sign: string) => void;
}

/** The buttons that format what is chosen. */
export function FormatBar({ onFormat, onEmoji }: FormatBarProps): ReactNode {
  const { t } = useWords();
  const [emoji, setEmoji] = useState(false);
  return (
    <div className={styles["bar"]} role="toolbar" aria-label={t("format.label")}>
      <IconButton
        icon="emoji"
        label={t("emoji.title")}
        onClick={() => {
          setEmoji(true);
        }}
      />
      {buttons.map(({ how, icon, word }) => (
        <IconButton
          key={how}
          icon={icon}
          label={t(word)}
          onClick={() => {
            onFormat(how);
          }}
        />
      ))}
      {emoji && (
        <EmojiPicker
          onPick={(sign) => {
            setEmoji(false);
            onEmoji(sign);
          }}
          onClose={() => {
            setEmoji(false);
          }}
        />
      )}
    </div>
  );
}
