import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Avatar } from "../../ui/Avatar.tsx";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import type { MessageDialogProps } from "./MessageDialogs.tsx";
import styles from "./MessageDetails.module.css";

/** Everything that is known about one message: when, by whom, read by whom and when, how long it stays. */
export function MessageDetails({ item, desk }: MessageDialogProps): ReactNode {
  const words = useWords();
  const { t } = words;
  const { now } = useApp();
  const { others } = useSnapshot(desk.timeline);
  const readers = desk.timeline.readersOf(item.id).filter((mark) => mark.person.id !== item.sender.id);
  const read = new Set(readers.map((mark) => mark.person.id));
  const unread = others.filter((person) => !read.has(person.id) && person.id !== item.sender.id);
  const reached = new Map(desk.timeline.reachedBy(item.id).map((mark) => [mark.person.id, mark.at]));
  const lines: readonly (readonly [string, string])[] = [
    [t("details.from"), item.sender.role === undefined ? item.sender.name : `${item.sender.name} · ${item.sender.role}`],
    [t("details.sent"), `${words.day(item.at, now())} ${words.time(item.at)}`],
    ...(item.edited ? [[t("details.edited"), t("details.editedYes")] as const] : []),
    ...(item.expires === undefined ? [] : [[t("details.expires"), `${words.day(item.expires, now())} ${words.time(item.expires)}`] as const]),
  ];
  return (
    <Dialog title={t("action.messageDetails")} onClose={desk.close}>
      <div className={styles["details"]}>
        <h2>{t("action.messageDetails")}</h2>
        <dl>
          {lines.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <bdi>{value}</bdi>
              </dd>
            </div>
          ))}
        </dl>
        {readers.length + unread.length > 0 && <h3>{t("status.readBy", { count: readers.length, total: readers.length + unread.length })}</h3>}
        <ul>
          {readers.map(({ person, at }) => (
            <li key={person.id}>
              <Avatar id={person.id} name={person.name} size="small" />
              <bdi>{person.name}</bdi>
              <time>{at > 0 ? words.moment(at, now()) : ""}</time>
            </li>
          ))}
          {unread.map((person) => (
            <li key={person.id} className={styles["unread"]}>
              <Avatar id={person.id} name={person.name} size="small" />
              <bdi>{person.name}</bdi>
              <Reached at={reached.get(person.id)} />
            </li>
          ))}
        </ul>
        <Button wide onClick={desk.close} autoFocus>
          {t("dialog.close")}
        </Button>
      </div>
    </Dialog>
  );
}

/** How far a message got with somebody who has not read it. */
function Reached({ at }: { readonly at: number | undefined }): ReactNode {
  const words = useWords();
  const { now } = useApp();
  return <span>{at === undefined ? words.t("readers.notYet") : words.t("readers.delivered", { time: words.moment(at, now()) })}</span>;
}
