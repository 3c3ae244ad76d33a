import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Logo } from "../../ui/Logo.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp, useViewModel } from "../context.ts";
import styles from "./LockView.module.css";
import { LockViewModel, type LockSnapshot } from "./LockViewModel.ts";

/** What anybody may see of a locked app: the time, whose it is, and how to go on. */
export function LockView(): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new LockViewModel(app));
  const form = useRef<HTMLFormElement>(null);
  const hospital = useSnapshot(useApp().demo)?.hospital;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void model.unlock();
  };
  // What was pressed cannot be pressed while it works, and loses the focus; the next try begins in the field.
  useEffect(() => {
    if (!now.busy && now.left !== undefined) form.current?.querySelector("input")?.focus();
  }, [now.busy, now.left]);
  return (
    <main className={styles["lock"]}>
      <Clock />
      <div className={styles["name"]}>
        <Logo size={40} />
        <h1 dir="auto">{hospital ?? t("app.name")}</h1>
        <p>{t("lock.title")}</p>
      </div>
      <form ref={form} onSubmit={submit} aria-label={t("lock.unlock")}>
        <TextField
          label={t("lock.password")}
          hint={t("lock.hint")}
          type="password"
          autoComplete="current-password"
          autoFocus
          value={now.password}
          readOnly={now.busy}
          onChange={(event) => {
            model.type(event.currentTarget.value);
          }}
        />
        <Said now={now} />
        <Button look="main" type="submit" wide disabled={!now.canUnlock}>
          {now.busy ? t("lock.opening") : t("lock.unlock")}
        </Button>
        <Button
          look="quiet"
          wide
          onClick={() => {
            model.askGiveUp(true);
          }}
        >
          {t("lock.forgot")}
        </Button>
      </form>
      {now.giveUp && <GiveUp model={model} />}
    </main>
  );
}

function Said({ now }: { readonly now: LockSnapshot }): ReactNode {
  const { t } = useWords();
  return (
    <>
      <div role="alert" className={styles["fault"]}>
        {now.left !== undefined && t("lock.wrong", { left: now.left })}
        {now.left === 1 && ` ${t("lock.last")}`}
      </div>
      {now.wait > 0 && <p className={styles["wait"]}>{t("lock.wait", { seconds: now.wait })}</p>}
    </>
  );
}

function GiveUp({ model }: { readonly model: LockViewModel }): ReactNode {
  const { t } = useWords();
  const stay = (): void => {
    model.askGiveUp(false);
  };
  return (
    <Dialog title={t("lock.forgot")} onClose={stay}>
      <div className={styles["sure"]}>
        <p>{t("lock.forgotText")}</p>
        <Button wide onClick={stay} autoFocus>
          {t("safety.back")}
        </Button>
        <Button look="danger" wide onClick={() => void model.startOver()}>
          {t("lock.forgotYes")}
        </Button>
      </div>
    </Dialog>
  );
}

function Clock(): ReactNode {
  const { time } = useWords();
  const { now } = useApp();
  const [at, setAt] = useState(now);
  useEffect(() => {
    const timer = setInterval(() => {
      setAt(now());
    }, 1_000);
    return () => {
      clearInterval(timer);
    };
  }, [now]);
  return <p className={styles["clock"]}>{time(at)}</p>;
}
