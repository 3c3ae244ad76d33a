import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Person } from "../../store/model.ts";
import { Avatar } from "../../ui/Avatar.tsx";
import { Button, IconButton } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Icon } from "../../ui/Icon.tsx";
import styles from "./Details.module.css";
import type { RoomSnapshot, RoomViewModel } from "./RoomViewModel.ts";

/** Beside the conversation, or over it on a phone: who is here, and the way out. */
export function Details({ now, model }: { readonly now: RoomSnapshot; readonly model: RoomViewModel }): ReactNode {
  const { t } = useWords();
  const { room, me, others } = now;
  if (room === undefined || me === undefined) return null;
  return (
    <aside className={styles["details"]} aria-labelledby="details-title">
      <header>
        <h2 id="details-title">{t("details.title")}</h2>
        <IconButton icon="close" label={t("details.close")} onClick={model.toggleDetails} />
      </header>
      <div className={styles["scroll"]}>
        <div className={styles["face"]}>
          <Avatar id={room.direct?.id ?? room.id} name={room.name} group={room.direct === undefined} size="large" />
          <p dir="auto">{room.name === "" ? t("room.unnamed") : room.name}</p>
        </div>
        {room.encrypted && (
          <p className={styles["sealed"]}>
            <Icon name="lock" size={18} />
            {t("details.encrypted")}
          </p>
        )}
        <section aria-labelledby="details-people">
          <h3 id="details-people">{t("details.people")}</h3>
          <ul>
            <PersonLine person={me} note={t("details.you")} />
            {others.map((person) => (
              <PersonLine key={person.id} person={person} note={person.id} />
            ))}
          </ul>
        </section>
        <Button
          look="danger"
          icon="leave"
          wide
          onClick={() => {
            model.askLeave(true);
          }}
        >
          {t("details.leave")}
        </Button>
      </div>
      {now.leaving !== "no" && <Leave now={now} model={model} />}
    </aside>
  );
}

function PersonLine({ person, note }: { readonly person: Person; readonly note: string }): ReactNode {
  return (
    <li className={styles["person"]}>
      <Avatar id={person.id} name={person.name} />
      <span>
        <strong dir="auto">{person.name}</strong>
        <span dir="auto">{note}</span>
      </span>
    </li>
  );
}

function Leave({ now, model }: { readonly now: RoomSnapshot; readonly model: RoomViewModel }): ReactNode {
  const { t } = useWords();
  const stay = (): void => {
    model.askLeave(false);
  };
  return (
    <Dialog title={t("details.leave")} onClose={stay}>
      <div className={styles["sure"]}>
        <p>{t("details.leaveSure")}</p>
        {now.leaving === "failed" && <p role="alert">{t("inbox.failed")}</p>}
        <Button wide onClick={stay} autoFocus>
          {t("details.leaveNo")}
        </Button>
        <Button look="danger" wide disabled={now.leaving === "busy"} onClick={() => void model.leave()}>
          {t("details.leaveYes")}
        </Button>
      </div>
    </Dialog>
  );
}
