import { memo, type ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Avatar } from "../../ui/Avatar.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { MediaView } from "../media/MediaView.tsx";
import { SendingView } from "../media/SendingView.tsx";
import type { Desk } from "./Desk.ts";
import styles from "./MessageView.module.css";
import { MessageTools, useLongPress } from "./MessageTools.tsx";
import { PriorityMark } from "./PriorityView.tsx";
import { PlaceView } from "./PlaceView.tsx";
import { PollView } from "./PollView.tsx";
import { QuoteView } from "./QuoteView.tsx";
import { ReactionsView } from "./ReactionsView.tsx";
import { RichText } from "./RichText.tsx";
import type { MessageRow, Status } from "./rows.ts";
import { StatusView } from "./StatusView.tsx";
import { ThreadSummaryView } from "./ThreadSummaryView.tsx";

export interface MessageProps {
  readonly row: MessageRow;
  /** Between two people nobody needs to be named. */
  readonly direct: boolean;
  readonly desk: Desk;
  readonly me: string | undefined;
  readonly onReaders: (status: Extract<Status, { kind: "read" }>) => void;
}

export const MessageView = memo(function MessageView({ row, direct, desk, me, onReaders }: MessageProps): ReactNode {
  const { t, time } = useWords();
  const label = t(row.own ? "message.fromYou" : "message.from", { name: row.sender.name, time: time(row.at) });
  const named = !direct && !row.own;
  const { item } = row;
  const press = useLongPress();
  const answers = item?.reply ?? (row.answers === undefined ? undefined : { item: row.answers, sender: undefined, body: undefined });
  const gone = row.body.kind === "removed";
  return (
    <article className={styles["row"]} data-own={row.own} data-first={row.first} data-mentioned={item?.mentioned === true} aria-label={label} tabIndex={-1} {...press}>
      {named && <span className={styles["who"]}>{row.last && <Avatar id={row.sender.id} name={row.sender.name} size="small" />}</span>}
      <div className={styles["stack"]}>
        {named && row.first && (
          <p className={styles["sender"]}>
            <bdi>{row.sender.name}</bdi> {row.sender.role !== undefined && <bdi className={styles["role"]}>{row.sender.role}</bdi>}
          </p>
        )}
        <div className={styles["line"]} data-line="">
          <div className={styles["bubble"]} data-body={row.body.kind} data-priority={gone ? undefined : row.priority} data-last={row.last}>
            {row.priority !== undefined && !gone && <PriorityMark priority={row.priority} />}
            {answers !== undefined && !gone && <QuoteView quote={answers} desk={desk} />}
            <Body row={row} desk={desk} me={me} />
          </div>
          {item !== undefined && <MessageTools item={item} desk={desk} />}
        </div>
        {item?.reactions !== undefined && <ReactionsView item={item} reactions={item.reactions} desk={desk} />}
        {item?.thread !== undefined && <ThreadSummaryView summary={item.thread} root={item.id} room={desk.room} />}
        {(row.last || row.status !== undefined || row.edited || item?.expires !== undefined) && (
          <p className={styles["foot"]}>
            {item?.expires !== undefined && <Icon name="timer" size={14} />}
            {row.edited && <span>{t("message.edited")}</span>}
            {row.last && <time dateTime={new Date(row.at).toISOString()}>{time(row.at)}</time>}
            {row.status !== undefined && <StatusView status={row.status} direct={direct} model={desk.timeline} onReaders={onReaders} />}
          </p>
        )}
      </div>
    </article>
  );
});

function Body({ row, desk, me }: Pick<MessageProps, "row" | "desk" | "me">): ReactNode {
  const { t } = useWords();
  const { body, item } = row;
  switch (body.kind) {
    case "text":
      return (
        <div className={styles["text"]} dir="auto">
          {body.emote === true && <bdi className={styles["emote"]}>{row.sender.name}</bdi>}
          <RichText text={body.text} html={body.html} me={me} />
        </div>
      );
    case "picture":
    case "video":
    case "audio":
    case "voice":
    case "file":
      return <MediaView body={body} />;
    case "sending":
      return <SendingView txn={body.txn} media={body.media} fault={body.fault} />;
    case "poll":
      return <PollView poll={body.poll} item={item} desk={desk} />;
    case "place":
      return <PlaceView place={body.place} name={body.name} />;
    case "removed":
      return <p className={styles["aside"]}>{t("message.removed")}</p>;
    case "waiting":
      return (
        <p className={styles["aside"]}>
          <Icon name="key" size={18} />
          {t(body.reason === "before" ? "message.before" : body.reason === "withheld" ? "message.withheld" : "message.waiting")}
        </p>
      );
  }
}
