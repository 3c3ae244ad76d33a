import type { ReactNode } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import { Icon, type IconName } from "../../ui/Icon.tsx";
import type { Status } from "./rows.ts";
import styles from "./StatusView.module.css";
import type { TimelineViewModel } from "./TimelineViewModel.ts";

export interface StatusProps {
  readonly status: Status;
  readonly direct: boolean;
  readonly model: TimelineViewModel;
  readonly onReaders: (status: Extract<Status, { kind: "read" }>) => void;
}

const marks: Record<"waiting" | "sending" | "sent", readonly [IconName, Word]> = {
  waiting: ["clock", "status.waiting"],
  sending: ["clock", "status.sending"],
  sent: ["tick", "status.sent"],
};

/** How far an own message has got: never more than the server has confirmed. */
export function StatusView({ status, direct, model, onReaders }: StatusProps): ReactNode {
  const { t } = useWords();
  if (status.kind === "failed") {
    return (
      // A critical one is announced by what stands over every screen.
      <span className={styles["failed"]} role={status.critical ? undefined : "alert"}>
        <Icon name="alert" size={16} />
        {t(status.critical ? "notSent.title" : "status.failed")}
        <button type="button" onClick={() => void model.retry(status.txn)}>
          {t("status.retry")}
        </button>
        <button type="button" onClick={() => void model.discard(status.txn)}>
          {t("status.discard")}
        </button>
      </span>
    );
  }
  if (status.kind === "read") {
    const total = status.readers.length + status.unread.length;
    return (
      <button
        type="button"
        className={styles["read"]}
        onClick={() => {
          onReaders(status);
        }}
      >
        <Icon name="ticks" size={16} />
        {direct || total === 1 ? t("status.read") : t("status.readBy", { count: status.readers.length, total })}
      </button>
    );
  }
  if (status.kind === "delivered") {
    return (
      <span className={styles["status"]}>
        <Icon name="ticks" size={16} />
        {direct || status.total === 1 ? t("status.delivered") : t("status.deliveredTo", { count: status.count, total: status.total })}
      </span>
    );
  }
  const [icon, word] = marks[status.kind];
  return (
    <span className={styles["status"]}>
      <Icon name={icon} size={16} />
      {t(word)}
    </span>
  );
}
