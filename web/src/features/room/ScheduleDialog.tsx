import { type FormEvent, type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Scheduled } from "../../store/conversation.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import type { Desk } from "./Desk.ts";
import styles from "./forms.module.css";
import { useAsking } from "./useAsking.ts";

const hour = 60 * 60_000;

/** Sends what is being written at a time that is chosen. */
export function ScheduleDialog({ desk }: { readonly desk: Desk }): ReactNode {
  const { t } = useWords();
  const { now } = useApp();
  const [when, setWhen] = useState(localTime(now() + hour));
  const { state, ask } = useAsking(desk.close);
  const at = new Date(when).getTime();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    ask(() => desk.composer.sendLater(at));
  };
  return (
    <Dialog title={t("schedule.title")} onClose={desk.close}>
      <form className={styles["form"]} onSubmit={submit}>
        <h2>{t("schedule.title")}</h2>
        <p>{t("schedule.text")}</p>
        <TextField
          label={t("schedule.when")}
          type="datetime-local"
          required
          min={localTime(now())}
          value={when}
          onChange={(event) => {
            setWhen(event.currentTarget.value);
          }}
        />
        {state === "failed" && <p role="alert">{t("schedule.failed")}</p>}
        <Button look="main" wide type="submit" disabled={state === "busy" || !(at > now())}>
          {t("schedule.send")}
        </Button>
        <Button wide onClick={desk.close}>
          {t("dialog.cancel")}
        </Button>
      </form>
    </Dialog>
  );
}

/** What waits in this conversation to be sent later. */
export function ScheduledList({ desk }: { readonly desk: Desk }): ReactNode {
  const { t } = useWords();
  const scheduled = useSnapshot(useApp().homeserver.messages.scheduled());
  const here = scheduled.messages.filter((one) => one.room === desk.room);
  return (
    <Dialog title={t("schedule.list", { count: here.length })} onClose={desk.close}>
      <div className={styles["form"]}>
        <h2>{t("schedule.list", { count: here.length })}</h2>
        {here.map((one) => (
          <Waiting key={one.id} one={one} />
        ))}
        <Button wide onClick={desk.close}>
          {t("dialog.close")}
        </Button>
      </div>
    </Dialog>
  );
}

function Waiting({ one }: { readonly one: Scheduled }): ReactNode {
  const words = useWords();
  const { t } = words;
  const { homeserver, now } = useApp();
  const { state, ask } = useAsking(() => undefined);
  return (
    <section className={styles["form"]} aria-label={words.moment(one.at, now())}>
      <p className={styles["quoted"]} dir="auto">
        {one.text ?? t("inbox.waiting")}
      </p>
      <p>{`${words.day(one.at, now())} ${words.time(one.at)}`}</p>
      {state === "failed" && <p role="alert">{t("inbox.failed")}</p>}
      <div className={styles["row"]}>
        <Button
          disabled={state === "busy"}
          onClick={() => {
            ask(() => homeserver.messages.sendScheduled(one.id));
          }}
        >
          {t("schedule.now")}
        </Button>
        <Button
          look="danger"
          disabled={state === "busy"}
          onClick={() => {
            ask(() => homeserver.messages.cancelScheduled(one.id));
          }}
        >
          {t("schedule.cancel")}
        </Button>
      </div>
    </section>
  );
}

/** "2026-03-03T14:00" where this device is. */
function localTime(at: number): string {
  const date = new Date(at);
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
