import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Avatar } from "../../ui/Avatar.tsx";
import { Icon } from "../../ui/Icon.tsx";
import type { ComposerSnapshot, Suggestion } from "./ComposerViewModel.ts";
import styles from "./Suggestions.module.css";

export interface SuggestionsProps {
  readonly id: string;
  readonly now: ComposerSnapshot;
  readonly onChoose: (suggestion: Suggestion) => void;
}

/** What goes with what is being typed: people, emoji or saved replies. The focus stays in the text. */
export function Suggestions({ id, now, onChoose }: SuggestionsProps): ReactNode {
  const { t } = useWords();
  return (
    <ul id={id} role="listbox" aria-label={t("composer.suggestions")} className={styles["list"]}>
      {now.suggestions.map((suggestion, i) => (
        <li
          key={suggestion.key}
          id={`${id}-${String(i)}`}
          role="option"
          aria-selected={i === now.active}
          onPointerDown={(event) => {
            event.preventDefault(); // the text keeps the focus
          }}
          onClick={() => {
            onChoose(suggestion);
          }}
        >
          <Shown suggestion={suggestion} />
        </li>
      ))}
    </ul>
  );
}

function Shown({ suggestion }: { readonly suggestion: Suggestion }): ReactNode {
  const { t } = useWords();
  switch (suggestion.kind) {
    case "person":
      return (
        <>
          <Avatar id={suggestion.person.id} name={suggestion.person.name} size="small" />
          <bdi>{suggestion.person.name}</bdi>
        </>
      );
    case "room":
      return (
        <>
          <Icon name="people" />
          <span>{t("composer.everybody")}</span>
        </>
      );
    case "emoji":
      return (
        <>
          <span className={styles["sign"]}>{suggestion.emoji.sign}</span>
          <span>{suggestion.emoji.name}</span>
        </>
      );
    case "reply":
      return (
        <>
          <Icon name="bookmark" />
          <bdi className={styles["name"]}>{suggestion.reply.name}</bdi>
          <span className={styles["text"]} dir="auto">
            {suggestion.reply.text}
          </span>
        </>
      );
  }
}
