import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { RoomSummary } from "../../store/model.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { RoomFace } from "../Face.tsx";
import styles from "./InboxView.module.css";
import type { InboxSnapshot, InboxViewModel } from "./InboxViewModel.ts";

interface Parts {
  readonly now: InboxSnapshot;
  readonly model: InboxViewModel;
}

/** Who wants to talk, and where one has asked to be let in. */
export function Invitations({ now, model }: Parts): ReactNode {
  const { t } = useWords();
  return (
    <>
      {now.invitations.length > 0 && (
        <section aria-labelledby="inbox-invited">
          <h2 id="inbox-invited">{t("inbox.invited")}</h2>
          <ul>
            {now.invitations.map((room) => (
              <Invitation key={room.id} room={room} now={now} model={model} />
            ))}
          </ul>
        </section>
      )}
      {now.knocked.length > 0 && (
        <section aria-labelledby="inbox-knocked">
          <h2 id="inbox-knocked">{t("inbox.knocked")}</h2>
          <ul>
            {now.knocked.map((room) => (
              <Waiting key={room.id} room={room} now={now} model={model}>
                <p className={styles["last"]}>{t("inbox.knockedText")}</p>
                <Button disabled={now.busy === room.id} onClick={() => void model.withdraw(room)}>
                  {t("inbox.withdraw")}
                </Button>
              </Waiting>
            ))}
          </ul>
        </section>
      )}
      {now.blocking?.inviter !== undefined && <BlockSure name={now.blocking.inviter.name} model={model} now={now} />}
    </>
  );
}

function Invitation({ room, now, model }: Parts & { readonly room: RoomSummary }): ReactNode {
  const { t } = useWords();
  const busy = now.busy === room.id;
  const by = t("inbox.invitedBy", { name: room.inviter?.name ?? "" });
  return (
    <Waiting room={room} now={now} model={model}>
      <p className={styles["last"]}>{room.space ? t("inbox.invitedSpace", { name: room.inviter?.name ?? "" }) : room.direct === undefined ? by : t("inbox.invitedDirect")}</p>
      <div className={styles["answer"]}>
        <Button look="main" disabled={busy} onClick={() => void model.accept(room)}>
          {t("inbox.accept")}
        </Button>
        <Button disabled={busy} onClick={() => void model.decline(room)}>
          {t("inbox.decline")}
        </Button>
        {room.inviter !== undefined && (
          <Button
            look="quiet"
            disabled={busy}
            onClick={() => {
              model.askBlock(room);
            }}
          >
            {t("inbox.block")}
          </Button>
        )}
      </div>
    </Waiting>
  );
}

function Waiting({ room, now, children }: Parts & { readonly room: RoomSummary; readonly children: ReactNode }): ReactNode {
  const { t } = useWords();
  const name = room.direct?.name ?? (room.name === "" ? t("room.unnamed") : room.name);
  return (
    <li className={styles["invitation"]}>
      <RoomFace room={room} name={name} />
      <div className={styles["text"]}>
        <p className={styles["name"]} dir="auto">
          {name}
        </p>
        {children}
        {now.failed === room.id && (
          <p className={styles["fault"]} role="alert">
            {t("inbox.failed")}
          </p>
        )}
      </div>
    </li>
  );
}

function BlockSure({ name, now, model }: Parts & { readonly name: string }): ReactNode {
  const { t } = useWords();
  const cancel = (): void => {
    model.askBlock(undefined);
  };
  return (
    <Dialog title={t("person.block")} onClose={cancel}>
      <div className={styles["sure"]}>
        <p>{t("person.blockSure", { name })}</p>
        <Button wide onClick={cancel} autoFocus>
          {t("pane.cancel")}
        </Button>
        <Button look="danger" wide disabled={now.busy !== undefined} onClick={() => void model.block()}>
          {t("inbox.blockYes")}
        </Button>
      </div>
    </Dialog>
  );
}
