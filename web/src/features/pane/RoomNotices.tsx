import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { may } from "../../store/roles.ts";
import { Button } from "../../ui/Button.tsx";
import { useViewModel } from "../context.ts";
import { Link } from "../Link.tsx";
import { IdentityBar } from "../trust/IdentityView.tsx";
import { NoticesViewModel } from "./NoticesViewModel.ts";
import styles from "./PaneView.module.css";

/** In larger rooms nobody could ask everybody whose keys have changed. */
const watchedPeople = 50;

/** What stands between the head of a room and its messages: it has moved, or somebody asks to be let in. */
export function RoomNotices({ room }: { readonly room: string }): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new NoticesViewModel(app, room));
  const { details } = now;
  if (details === undefined) return null;
  const others = details.people.filter(({ membership, person }) => membership === "joined" && person.id !== details.me?.person.id);
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
      {details.encrypted && others.length <= watchedPeople && <IdentityBar people={others.map(({ person }) => person)} />}
      {knocking > 0 && (
        <div className={styles["notice"]} role="status">
          <p>{t("pane.knocking", { count: knocking })}</p>
          <Link to={{ at: "room", room, pane: "people" }}>{t("knock.look")}</Link>
        </div>
      )}
    </>
  );
}
