import { type ReactNode, useEffect, useRef, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import styles from "./Announcer.module.css";
import { bodyText } from "./bodyText.ts";
import { priorityWords } from "../priority.ts";
import type { Row } from "./rows.ts";

/** Tells a screen reader what somebody else has just written; never what was loaded from the history. */
export function Announcer({ rows, live }: { readonly rows: readonly Row[]; readonly live: boolean }): ReactNode {
  const { t } = useWords();
  const [text, setText] = useState("");
  const heard = useRef<number>(undefined);
  useEffect(() => {
    const newest = rows.findLast((row) => row.kind === "message");
    if (!live || newest === undefined) return;
    const before = heard.current;
    heard.current = Math.max(before ?? 0, newest.at);
    if (before === undefined || newest.own || newest.at <= before) return;
    const said = t("inbox.other", { name: newest.sender.name, text: bodyText(newest.body, t) });
    setText(newest.priority === undefined ? said : `${t(priorityWords[newest.priority])}. ${said}`);
  }, [rows, live, t]);
  return (
    <p className={styles["hidden"]} role="status" aria-live="polite">
      {text}
    </p>
  );
}
