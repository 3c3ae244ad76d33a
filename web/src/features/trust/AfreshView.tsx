import type { FormEvent, ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { useViewModel } from "../context.ts";
import { AfreshViewModel } from "./AfreshViewModel.ts";
import styles from "./trust.module.css";

/** The way out for somebody with neither another device nor a recovery key. */
export function AfreshView(): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new AfreshViewModel(app));
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void model.go();
  };
  return (
    <Dialog title={t("afresh.title")} onClose={model.back}>
      <form className={styles["step"]} onSubmit={submit}>
        <h2>
          <Icon name="alert" size={24} />
          {t("afresh.title")}
        </h2>
        <p>{t("afresh.text")}</p>
        <TextField
          label={t("afresh.password")}
          type="password"
          autoComplete="current-password"
          value={now.password}
          onChange={(event) => {
            model.type(event.currentTarget.value);
          }}
        />
        <div role="alert" className={styles["fault"]}>
          {now.fault === "wrong" && t("afresh.wrong")}
          {now.fault === "failed" && t("safety.failed")}
        </div>
        <Button look="danger" type="submit" wide disabled={now.busy || now.password === ""}>
          {now.busy ? t("afresh.busy") : t("afresh.go")}
        </Button>
        <Button look="quiet" wide onClick={model.back} autoFocus>
          {t("safety.back")}
        </Button>
      </form>
    </Dialog>
  );
}
