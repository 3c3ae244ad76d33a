import { type FormEvent, type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { useViewModel } from "../context.ts";
import { RecoveryViewModel, type RecoverySnapshot } from "./RecoveryViewModel.ts";
import styles from "./trust.module.css";

interface StepProps {
  readonly now: RecoverySnapshot;
  readonly model: RecoveryViewModel;
}

/** The guided step that makes a recovery key. */
export function RecoveryView(): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new RecoveryViewModel(app));
  const titles = { intro: t("recovery.title"), key: t("recovery.keyTitle"), check: t("recovery.checkTitle"), done: t("recovery.doneTitle") };
  return (
    <Dialog title={titles[now.step]} onClose={now.step === "done" ? model.close : model.later}>
      <div className={styles["step"]}>
        <h2>
          <Icon name={now.step === "done" ? "tick" : "key"} size={24} />
          {titles[now.step]}
        </h2>
        {now.step === "intro" && <Intro now={now} model={model} />}
        {now.step === "key" && <Key now={now} model={model} />}
        {now.step === "check" && <Check now={now} model={model} />}
        {now.step === "done" && (
          <>
            <p>{t("recovery.doneText")}</p>
            <Button look="main" wide onClick={model.close} autoFocus>
              {t("safety.done")}
            </Button>
          </>
        )}
      </div>
    </Dialog>
  );
}

function Intro({ now, model }: StepProps): ReactNode {
  const { t } = useWords();
  return (
    <>
      <p>{t("recovery.intro")}</p>
      {now.replaces && <p className={styles["note"]}>{t("recovery.replaces")}</p>}
      <Fault now={now} />
      <Button look="main" wide disabled={now.busy} onClick={() => void model.make()} autoFocus>
        {t("recovery.make")}
      </Button>
      <Button look="quiet" wide onClick={model.later}>
        {t("safety.later")}
      </Button>
    </>
  );
}

function Key({ now, model }: StepProps): ReactNode {
  const { t } = useWords();
  const [copied, setCopied] = useState(false);
  const text = now.parts.join(" ");
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <>
      <p>{t("recovery.keyText")}</p>
      <div className={styles["sheet"]}>
        <p className={styles["sheetTitle"]}>{t("recovery.fileText", { user: now.user })}</p>
        <ol className={styles["parts"]} aria-label={t("recovery.keyTitle")} dir="ltr">
          {now.parts.map((part, i) => (
            <li key={i}>
              <span aria-hidden="true">{i + 1}</span>
              <code>{part}</code>
            </li>
          ))}
        </ol>
      </div>
      <div className={styles["row"]}>
        <Button icon={copied ? "tick" : "copy"} onClick={() => void copy()}>
          {copied ? t("recovery.copied") : t("recovery.copy")}
        </Button>
        <Button
          icon="download"
          onClick={() => {
            save(`${t("recovery.fileText", { user: now.user })}\n\n${text}\n`);
          }}
        >
          {t("recovery.save")}
        </Button>
        <Button
          icon="file"
          onClick={() => {
            print();
          }}
        >
          {t("recovery.print")}
        </Button>
      </div>
      <Button
        look="main"
        wide
        onClick={() => {
          model.show("check");
        }}
      >
        {t("recovery.kept")}
      </Button>
    </>
  );
}

function Check({ now, model }: StepProps): ReactNode {
  const { t } = useWords();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void model.finish();
  };
  return (
    <form className={styles["step"]} onSubmit={submit}>
      <p>{t("recovery.checkText")}</p>
      <div className={styles["pair"]}>
        {now.questions.map(({ number, typed }, i) => (
          <TextField
            key={number}
            label={t("recovery.group", { number })}
            value={typed}
            dir="ltr"
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            maxLength={4}
            autoFocus={i === 0}
            onChange={(event) => {
              model.type(number, event.currentTarget.value);
            }}
          />
        ))}
      </div>
      <Fault now={now} />
      <Button look="main" type="submit" wide disabled={!now.canFinish}>
        {now.busy ? t("recovery.finishing") : t("recovery.finish")}
      </Button>
      <Button
        look="quiet"
        wide
        onClick={() => {
          model.show("key");
        }}
      >
        {t("recovery.again")}
      </Button>
    </form>
  );
}

function Fault({ now }: { readonly now: RecoverySnapshot }): ReactNode {
  const { t } = useWords();
  return (
    <div role="alert" className={styles["fault"]}>
      {now.fault === "different" && t("recovery.different")}
      {now.fault === "failed" && t("safety.failed")}
    </div>
  );
}

/** Hands a text over as a file. */
function save(text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "myelin-recovery-key.txt";
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 1_000);
}
