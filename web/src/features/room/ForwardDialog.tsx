import { type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Avatar } from "../../ui/Avatar.tsx";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import { bodyText } from "./bodyText.ts";
import styles from "./forms.module.css";
import type { MessageDialogProps } from "./MessageDialogs.tsx";
import { useAsking } from "./useAsking.ts";

/** Sends a message again into another conversation; out of an encrypted one only into an encrypted one. */
export function ForwardDialog({ item, desk }: MessageDialogProps): ReactNode {
  const { t } = useWords();
  const app = useApp();
  const rooms = useSnapshot(app.rooms);
  const [term, setTerm] = useState("");
  const { state, ask } = useAsking(() => {
    desk.close();
    app.notices.tell("sent");
  });
  const sealed = rooms.find((room) => room.id === desk.room)?.encrypted === true;
  const wanted = term.toLowerCase();
  const found = rooms.filter((room) => room.membership === "joined" && !room.space && (room.encrypted || !sealed) && room.name.toLowerCase().includes(wanted));
  return (
    <Dialog title={t("forward.title")} onClose={desk.close}>
      <div className={styles["form"]}>
        <h2>{t("forward.title")}</h2>
        <p className={styles["quoted"]} dir="auto">
          {bodyText(item.body, t)}
        </p>
        <SearchField label={t("forward.search")} clearLabel={t("inbox.clear")} value={term} onChange={setTerm} autoFocus />
        {state === "failed" && <p role="alert">{t("inbox.failed")}</p>}
        {found.length === 0 && <p role="status">{t("inbox.nothing", { term })}</p>}
        <ul className={styles["list"]} aria-label={t("inbox.list")}>
          {found.slice(0, 50).map((room) => (
            <li key={room.id} className={styles["row"]}>
              <span className={styles["choice"]}>
                <Avatar id={room.direct?.id ?? room.id} name={room.name} group={room.direct === undefined} size="small" />
                <bdi>{room.name === "" ? t("room.unnamed") : room.name}</bdi>
              </span>
              <Button
                look="quiet"
                disabled={state === "busy"}
                onClick={() => {
                  ask(() => app.homeserver.messages.forward(desk.room, item.id, room.id));
                }}
              >
                {t("composer.send")}
              </Button>
            </li>
          ))}
        </ul>
        <Button wide onClick={desk.close}>
          {t("dialog.cancel")}
        </Button>
      </div>
    </Dialog>
  );
}
