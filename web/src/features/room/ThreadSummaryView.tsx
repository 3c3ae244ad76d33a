import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { ThreadSummary } from "../../store/conversation.ts";
import { Icon } from "../../ui/Icon.tsx";
import { useApp } from "../context.ts";
import { Link } from "../Link.tsx";
import { bodyText } from "./bodyText.ts";
import styles from "./ThreadSummaryView.module.css";

/** Under the first message of a thread: how much was answered, and the last of it. */
export function ThreadSummaryView({ summary, root, room }: { readonly summary: ThreadSummary; readonly root: string; readonly room: string }): ReactNode {
  const words = useWords();
  const { now } = useApp();
  const { replies, last, unread } = summary;
  return (
    <Link to={{ at: "room", room, thread: root }} className={styles["thread"]}>
      <Icon name="thread" size={16} />
      <strong>{words.t("thread.replies", { count: replies })}</strong>
      {unread > 0 && <span className={styles["unread"]}>{words.t("thread.unread", { count: unread })}</span>}
      {last !== undefined && (
        <>
          <span className={styles["last"]} dir="auto">
            {words.t("inbox.other", { name: last.sender.name, text: bodyText(last.body, words.t) })}
          </span>
          <time>{words.moment(last.at, now())}</time>
        </>
      )}
    </Link>
  );
}
