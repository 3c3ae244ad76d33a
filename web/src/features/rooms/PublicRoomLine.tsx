import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { PublicRoom } from "../../store/Rooms.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { RoomFace } from "../Face.tsx";
import { useViewModel } from "../context.ts";
import { JoinViewModel, type JoinSnapshot } from "./JoinViewModel.ts";
import styles from "./RoomsView.module.css";

/** A room that was found, with the way into it. */
export function PublicRoomLine({ room }: { readonly room: PublicRoom }): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new JoinViewModel(app, room));
  const name = room.name === "" ? t("room.unnamed") : room.name;
  return (
    <li className={styles["line"]}>
      <RoomFace room={{ ...room, direct: undefined }} name={name} />
      <div className={styles["text"]}>
        <p className={styles["name"]} dir="auto">
          {name}
        </p>
        {room.topic !== "" && (
          <p className={styles["topic"]} dir="auto">
            {room.topic}
          </p>
        )}
        <p className={styles["soft"]}>{room.space ? t("rooms.space") : t("room.people", { count: room.members })}</p>
        {now.failed && !now.asking && (
          <p className={styles["fault"]} role="alert">
            {t("rooms.failed")}
          </p>
        )}
      </div>
      <Way room={room} name={name} now={now} model={model} />
      {now.asking && <Knock name={name} now={now} model={model} />}
    </li>
  );
}

interface Parts {
  readonly name: string;
  readonly now: JoinSnapshot;
  readonly model: JoinViewModel;
}

function Way({ room, name, now, model }: Parts & { readonly room: PublicRoom }): ReactNode {
  const { t } = useWords();
  if (now.membership === "joined") {
    return (
      <Button aria-label={t("rooms.openName", { name })} onClick={model.open}>
        {t("rooms.open")}
      </Button>
    );
  }
  if (now.membership === "knocked") return <p className={styles["soft"]}>{t("rooms.asked")}</p>;
  if (now.membership === "invited" || room.entry === "open") {
    return (
      <Button look="main" disabled={now.busy} aria-label={t("rooms.joinName", { name })} onClick={() => void model.join()}>
        {t("rooms.join")}
      </Button>
    );
  }
  if (room.entry === "closed") return <p className={styles["soft"]}>{t("rooms.closed")}</p>;
  return (
    <Button
      disabled={now.busy}
      aria-label={t("rooms.askName", { name })}
      onClick={() => {
        model.ask(true);
      }}
    >
      {t("rooms.ask")}
    </Button>
  );
}

function Knock({ name, now, model }: Parts): ReactNode {
  const { t } = useWords();
  const cancel = (): void => {
    model.ask(false);
  };
  return (
    <Dialog title={t("rooms.askName", { name })} onClose={cancel}>
      <form
        className={styles["stack"]}
        onSubmit={(event) => {
          event.preventDefault();
          void model.knock();
        }}
      >
        <TextField
          label={t("rooms.reason")}
          hint={t("settings.noPatients")}
          dir="auto"
          autoFocus
          value={now.reason}
          onChange={(event) => {
            model.say(event.currentTarget.value);
          }}
        />
        {now.failed && (
          <p className={styles["fault"]} role="alert">
            {t("rooms.failed")}
          </p>
        )}
        <Button look="main" type="submit" wide disabled={now.busy}>
          {t("rooms.ask")}
        </Button>
        <Button wide onClick={cancel}>
          {t("pane.cancel")}
        </Button>
      </form>
    </Dialog>
  );
}
