import type { FormEvent, ReactNode } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Icon, type IconName } from "../../ui/Icon.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { useApp, useViewModel } from "../context.ts";
import { ConfirmViewModel, type ConfirmSnapshot } from "./ConfirmViewModel.ts";
import styles from "./trust.module.css";

interface StepProps {
  readonly now: ConfirmSnapshot;
  readonly model: ConfirmViewModel;
}

const faults: Record<ConfirmSnapshot["fault"], Word | undefined> = {
  none: undefined,
  notAKey: "confirm.notAKey",
  wrong: "confirm.wrong",
  failed: "safety.failed",
};

/** The guided step in which a new device is shown to be one's own. */
export function ConfirmView(): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new ConfirmViewModel(app));
  const title = now.step === "key" ? t("confirm.keyTitle") : t("confirm.title");
  return (
    <Dialog title={title} onClose={model.later}>
      <div className={styles["step"]}>
        <h2>
          <Icon name={now.step === "key" ? "key" : "device"} size={24} />
          {title}
        </h2>
        {now.step === "key" ? <Key now={now} model={model} /> : <Choose now={now} model={model} />}
      </div>
    </Dialog>
  );
}

function Choose({ now, model }: StepProps): ReactNode {
  const { t } = useWords();
  return (
    <>
      <p>{t("confirm.text")}</p>
      {now.others === undefined && <p className={styles["note"]}>{t("confirm.checking")}</p>}
      {now.others === true && <Way icon="device" word="confirm.device" text="confirm.deviceText" disabled={now.busy} onChoose={() => void model.useDevice()} />}
      {now.hasKey && (
        <Way
          icon="key"
          word="confirm.key"
          text="confirm.keyText"
          disabled={now.busy}
          onChoose={() => {
            model.show("key");
          }}
        />
      )}
      <Fault now={now} />
      <Button look="quiet" wide onClick={model.startAfresh}>
        {t("confirm.neither")}
      </Button>
      <Button look="quiet" wide onClick={model.later}>
        {t("safety.later")}
      </Button>
    </>
  );
}

interface WayProps {
  readonly icon: IconName;
  readonly word: Word;
  readonly text: Word;
  readonly disabled: boolean;
  readonly onChoose: () => void;
}

function Way({ icon, word, text, disabled, onChoose }: WayProps): ReactNode {
  const { t } = useWords();
  return (
    <button type="button" className={styles["way"]} disabled={disabled} onClick={onChoose}>
      <Icon name={icon} size={24} />
      <span>
        <strong>{t(word)}</strong>
        <span>{t(text)}</span>
      </span>
    </button>
  );
}

function Key({ now, model }: StepProps): ReactNode {
  const { t } = useWords();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void model.useKey();
  };
  return (
    <form className={styles["step"]} onSubmit={submit}>
      <TextField
        label={t("confirm.keyLabel")}
        hint={t("confirm.keyHint")}
        value={now.typed}
        dir="ltr"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
        onChange={(event) => {
          model.type(event.currentTarget.value);
        }}
      />
      <Fault now={now} />
      <Button look="main" type="submit" wide disabled={now.busy || now.typed.trim() === ""}>
        {now.busy ? t("confirm.keyBusy") : t("confirm.keyGo")}
      </Button>
      <Button
        look="quiet"
        wide
        onClick={() => {
          model.show("choose");
        }}
      >
        {t("safety.back")}
      </Button>
    </form>
  );
}

function Fault({ now }: { readonly now: ConfirmSnapshot }): ReactNode {
  const { t } = useWords();
  const word = faults[now.fault];
  return (
    <div role="alert" className={styles["fault"]}>
      {word !== undefined && t(word)}
    </div>
  );
}

/** The device has just been confirmed. */
export function ConfirmedView(): ReactNode {
  const { t } = useWords();
  const { guide } = useApp();
  const close = (): void => {
    guide.done();
  };
  return (
    <Dialog title={t("confirm.doneTitle")} onClose={close}>
      <div className={styles["step"]}>
        <h2>
          <Icon name="tick" size={24} />
          {t("confirm.doneTitle")}
        </h2>
        <p>{t("confirm.doneText")}</p>
        <Button look="main" wide onClick={close} autoFocus>
          {t("safety.done")}
        </Button>
      </div>
    </Dialog>
  );
}
