import { type ReactNode, useCallback, useEffect, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { ThreadLine } from "../../store/conversation.ts";
import { Avatar } from "../../ui/Avatar.tsx";
import { Button } from "../../ui/Button.tsx";
import { Empty } from "../../ui/Empty.tsx";
import { Skeleton } from "../../ui/Skeleton.tsx";
import { useApp } from "../context.ts";
import { Link } from "../Link.tsx";
import { bodyText } from "./bodyText.ts";
import styles from "./lines.module.css";
import { SidePanel } from "./SidePanel.tsx";

/** The threads of a room, the one with the newest answer first. */
export function ThreadsList({ room }: { readonly room: string }): ReactNode {
  const words = useWords();
  const { t } = words;
  const { homeserver, now } = useApp();
  const [lines, setLines] = useState<readonly ThreadLine[] | "failed">();
  const load = useCallback(() => {
    homeserver.messages.threads(room).then(setLines, () => {
      setLines("failed");
    });
  }, [homeserver, room]);
  useEffect(load, [load]);
  return (
    <SidePanel title={t("thread.list")} room={room}>
      {lines === undefined && <Skeleton rows={4} label={t("thread.loading")} />}
      {lines === "failed" && (
        <Empty title={t("thread.failed")}>
          <Button onClick={load}>{t("room.olderRetry")}</Button>
        </Empty>
      )}
      {Array.isArray(lines) && lines.length === 0 && <Empty title={t("thread.none")} text={t("thread.noneText")} />}
      {Array.isArray(lines) && lines.length > 0 && (
        <ul className={styles["lines"]}>
          {(lines as readonly ThreadLine[]).map(({ root, sender, body, at, summary }) => (
            <li key={root}>
              <Link to={{ at: "room", room, thread: root }}>
                <Avatar id={sender.id} name={sender.name} size="small" />
                <span className={styles["text"]}>
                  <strong>
                    <bdi>{sender.name}</bdi>
                  </strong>
                  <span dir="auto">{bodyText(body, t)}</span>
                  <span className={styles["more"]}>
                    {t("thread.replies", { count: summary.replies })} <time>{words.moment(at, now())}</time>
                  </span>
                </span>
                {summary.unread > 0 && <span className={styles["count"]}>{t("thread.unread", { count: summary.unread })}</span>}
              </Link>
            </li>
          ))}
        </ul>
      )}
    </SidePanel>
  );
}
