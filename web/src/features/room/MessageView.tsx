import { memo, type ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Avatar } from "../../ui/Avatar.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { MediaView } from "../media/MediaView.tsx";
import { SendingView } from "../media/SendingView.tsx";
import styles from "./MessageView.module.css";
import type { RoomViewModel } from "./RoomViewModel.ts";
import type { MessageRow, RowBody, Status } from "./rows.ts";
import { StatusView } from "./StatusView.tsx";

export interface MessageProps {
  readonly row: MessageRow;
  /** Between two people nobody needs to be named. */
  readonly direct: boolean;
  readonly model: RoomViewModel;
  readonly onReaders: (status: Extract<Status, { kind: "read" }>) => void;
}

export const MessageView = memo(function MessageView({ row, direct, model, onReaders }: MessageProps): ReactNode {
  const { t, time } = useWords();
  const label = t(row.own ? "message.fromYou" : "message.from", { name: row.sender.name, time: time(row.at) });
  const named = !direct && !row.own;
  return (
    <article className={styles["row"]} data-own={row.own} data-first={row.first} aria-label={label}>
      {named && <span className={styles["who"]}>{row.last && <Avatar id={row.sender.id} name={row.sender.name} size="small" />}</span>}
      <div className={styles["stack"]}>
        {named && row.first && (
          <p className={styles["sender"]} dir="auto">
            {row.sender.name}
          </p>
        )}
        <div className={styles["bubble"]} data-body={row.body.kind} data-last={row.last}>
          <Body body={row.body} />
        </div>
        {(row.last || row.status !== undefined || row.edited) && (
          <p className={styles["foot"]}>
            {row.edited && <span>{t("message.edited")}</span>}
            {row.last && <time dateTime={new Date(row.at).toISOString()}>{time(row.at)}</time>}
            {row.status !== undefined && <StatusView status={row.status} direct={direct} model={model} onReaders={onReaders} />}
          </p>
        )}
      </div>
    </article>
  );
});

function Body({ body }: { readonly body: RowBody }): ReactNode {
  const { t } = useWords();
  switch (body.kind) {
    case "text":
      return (
        <p className={styles["text"]} dir="auto">
          {body.text}
        </p>
      );
    case "picture":
    case "video":
    case "audio":
    case "voice":
    case "file":
      return <MediaView body={body} />;
    case "sending":
      return <SendingView txn={body.txn} media={body.media} fault={body.fault} />;
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
