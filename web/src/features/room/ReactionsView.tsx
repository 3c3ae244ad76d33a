import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Reaction } from "../../store/conversation.ts";
import type { MessageItem } from "../../store/model.ts";
import { useApp } from "../context.ts";
import type { Desk } from "./Desk.ts";
import styles from "./ReactionsView.module.css";

export interface ReactionsProps {
  readonly item: MessageItem;
  readonly reactions: readonly Reaction[];
  readonly desk: Desk;
}

/** The signs on a message, each with how many have put it there; pressing one adds or takes away one's own. */
export function ReactionsView({ item, reactions, desk }: ReactionsProps): ReactNode {
  const { t } = useWords();
  const app = useApp();
  return (
    <ul className={styles["reactions"]} aria-label={t("reaction.label")}>
      {reactions.map(({ key, people, own }) => {
        const names = people.map((person) => person.name).join(", ");
        const words = t("reaction.by", { sign: key, names });
        return (
          <li key={key}>
            <button
              type="button"
              aria-pressed={own}
              title={words}
              onClick={() => {
                app.homeserver.messages.react(desk.room, item.id, key).catch(() => {
                  app.notices.tell("failed");
                });
              }}
            >
              <span className={styles["sign"]}>{key}</span>
              {people.length > 1 && <span>{people.length}</span>}
            </button>
          </li>
        );
      })}
    </ul>
  );
}
