import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { may } from "../../store/roles.ts";
import { Button } from "../../ui/Button.tsx";
import { useViewModel } from "../context.ts";
import { Link } from "../Link.tsx";
import { NoticesViewModel } from "./NoticesViewModel.ts";
import styles from "./PaneView.module.css";

/** What stands between the head of a room and its messages: it has moved, or somebody asks to be let in. */
export function RoomNotices({ room }: { readonly room: string }): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new NoticesViewModel(app, room));
  const { details } = now;
  if (details === undefined) return null;
  const knocking = may(details, "invite") ? details.knocking.length : 0;
  return (
    <>
      {details.replacement !== undefined && (
        <div className={styles["notice"]} role="status">
          <p>{t(now.failed ? "moved.failed" : "moved.text")}</p>
          <Button look="main" disabled={now.busy} onClick={() => void model.follow()}>
            {t("moved.go")}
          </Button>
        </div>
      )}
      {knocking > 0 && (
        <div className={styles["notice"]} role="status">
          <p>{t("pane.knocking", { count: knocking })}</p>
          <Link to={{ at: "room", room, pane: "people" }}>{t("knock.look")}</Link>
        </div>
      )}
    </>
  );
}
