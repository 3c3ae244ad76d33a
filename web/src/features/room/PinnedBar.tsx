import { type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { Link } from "../Link.tsx";
import { bodyText } from "./bodyText.ts";
import type { Desk } from "./Desk.ts";
import styles from "./PinnedBar.module.css";

/** The pinned messages one at a time, over the conversation; pressing goes there and turns to the next. */
export function PinnedBar({ desk }: { readonly desk: Desk }): ReactNode {
  const { t } = useWords();
  const { pinned } = useSnapshot(desk.timeline);
  const [turn, setTurn] = useState(0);
  const shown = pinned[(pinned.length - 1 - (turn % Math.max(1, pinned.length))) % Math.max(1, pinned.length)];
  if (shown === undefined) return null;
  return (
    <div className={styles["bar"]}>
      <Icon name="pin" size={18} />
      <button
        type="button"
        className={styles["one"]}
        title={t("pinned.go")}
        onClick={() => {
          setTurn(turn + 1);
          void desk.toItem(shown.item);
        }}
      >
        <span dir="auto">
          {shown.body === undefined ? t("message.answered") : shown.sender === undefined ? bodyText(shown.body, t) : t("inbox.other", { name: shown.sender.name, text: bodyText(shown.body, t) })}
        </span>
      </button>
      <Link to={{ at: "room", room: desk.room, pane: "pins" }} className={styles["all"]}>
        {t("pinned.all", { count: pinned.length })}
      </Link>
    </div>
  );
}
