import { type FormEvent, type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { useApp } from "../context.ts";
import styles from "./forms.module.css";

/** Asks for a day, and goes to its first message. */
export function GoToDate({ onGo, onClose }: { readonly onGo: (at: number) => void; readonly onClose: () => void }): ReactNode {
  const { t } = useWords();
  const { now } = useApp();
  const today = localDate(now());
  const [date, setDate] = useState(today);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const at = new Date(`${date}T00:00`).getTime();
    if (Number.isNaN(at)) return;
    onGo(at);
    onClose();
  };
  return (
    <Dialog title={t("room.goToDate")} onClose={onClose}>
      <form className={styles["form"]} onSubmit={submit}>
        <h2>{t("room.goToDate")}</h2>
        <TextField
          label={t("room.date")}
          type="date"
          max={today}
          required
          value={date}
          onChange={(event) => {
            setDate(event.currentTarget.value);
          }}
        />
        <Button look="main" type="submit" wide>
          {t("room.go")}
        </Button>
        <Button wide onClick={onClose}>
          {t("dialog.cancel")}
        </Button>
      </form>
    </Dialog>
  );
}

/** "2026-03-03" where this device is. */
function localDate(at: number): string {
  const date = new Date(at);
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}
