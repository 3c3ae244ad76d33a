import { type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { MessageItem } from "../../store/model.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { TextArea } from "../../ui/TextArea.tsx";
import { useApp } from "../context.ts";
import { bodyText } from "./bodyText.ts";
import type { Desk } from "./Desk.ts";
import styles from "./forms.module.css";
import { useAsking } from "./useAsking.ts";

export interface MessageDialogProps {
  readonly item: MessageItem;
  readonly desk: Desk;
}

/** Deleting takes a message from everybody; who has read it already is said before. */
export function RemoveDialog({ item, desk }: MessageDialogProps): ReactNode {
  const { t } = useWords();
  const { homeserver } = useApp();
  const { state, ask } = useAsking(desk.close);
  const names = desk.timeline.readersOf(item.id).map((mark) => mark.person.name);
  return (
    <Dialog title={t("remove.title")} onClose={desk.close}>
      <div className={styles["form"]}>
        <h2>{t("remove.title")}</h2>
        <p className={styles["quoted"]} dir="auto">
          {bodyText(item.body, t)}
        </p>
        <p>{names.length === 0 ? t("remove.unread") : t("remove.read", { names: names.join(", ") })}</p>
        {state === "failed" && <p role="alert">{t("inbox.failed")}</p>}
        <Button wide onClick={desk.close} autoFocus>
          {t("dialog.cancel")}
        </Button>
        <Button
          look="danger"
          wide
          disabled={state === "busy"}
          onClick={() => {
            ask(() => homeserver.messages.remove(desk.room, item.id));
          }}
        >
          {t("remove.yes")}
        </Button>
      </div>
    </Dialog>
  );
}

export function ReportDialog({ item, desk }: MessageDialogProps): ReactNode {
  const { t } = useWords();
  const app = useApp();
  const [reason, setReason] = useState("");
  const { state, ask } = useAsking(() => {
    desk.close();
    app.notices.tell("reported");
  });
  return (
    <Dialog title={t("report.title")} onClose={desk.close}>
      <div className={styles["form"]}>
        <h2>{t("report.title")}</h2>
        <p>{t("report.text")}</p>
        <TextArea
          label={t("report.reason")}
          value={reason}
          onChange={(event) => {
            setReason(event.currentTarget.value);
          }}
        />
        {state === "failed" && <p role="alert">{t("inbox.failed")}</p>}
        <Button
          look="main"
          wide
          disabled={state === "busy" || reason.trim() === ""}
          onClick={() => {
            ask(() => app.homeserver.messages.report(desk.room, item.id, reason.trim()));
          }}
        >
          {t("report.send")}
        </Button>
        <Button wide onClick={desk.close}>
          {t("dialog.cancel")}
        </Button>
      </div>
    </Dialog>
  );
}

/** A message's text by itself, so that a finger can choose a part of it. */
export function SelectDialog({ item, desk }: MessageDialogProps): ReactNode {
  const { t } = useWords();
  return (
    <Dialog title={t("action.selectText")} onClose={desk.close}>
      <div className={styles["form"]}>
        <h2>{t("action.selectText")}</h2>
        <textarea className={styles["area"]} readOnly dir="auto" rows={8} aria-label={t("action.selectText")} value={item.body.kind === "text" ? item.body.text : bodyText(item.body, t)} />
        <Button wide onClick={desk.close}>
          {t("dialog.close")}
        </Button>
      </div>
    </Dialog>
  );
}
