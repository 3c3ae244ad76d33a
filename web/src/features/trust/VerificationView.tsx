import type { ReactNode } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import type { Verification } from "../../store/Safety.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Icon, type IconName } from "../../ui/Icon.tsx";
import { useApp } from "../context.ts";
import { nameOf } from "./emoji.ts";
import styles from "./trust.module.css";

interface Saying {
  readonly icon: IconName;
  readonly title: Word;
  readonly text: Word;
}

function sayingOf({ step, own, ended }: Verification): Saying {
  switch (step) {
    case "asked":
      return own ? { icon: "device", title: "verify.askedOwn", text: "verify.askedOwnText" } : { icon: "person", title: "verify.askedPerson", text: "verify.askedPersonText" };
    case "waiting":
      return own ? { icon: "clock", title: "verify.waitingOwn", text: "verify.waitingOwnText" } : { icon: "clock", title: "verify.waitingPerson", text: "verify.waitingPersonText" };
    case "compare":
      return { icon: "people", title: "verify.compare", text: "verify.compareText" };
    case "agreed":
      return { icon: "clock", title: "verify.agreed", text: "verify.agreedText" };
    case "done":
      return own ? { icon: "tick", title: "verify.doneOwn", text: "verify.doneOwnText" } : { icon: "tick", title: "verify.donePerson", text: "verify.donePersonText" };
    case "ended":
      if (ended === "different") return { icon: "alert", title: "verify.endedDifferent", text: "verify.endedDifferentText" };
      return { icon: "info", title: ended === "late" ? "verify.endedLate" : "verify.endedStopped", text: "verify.endedText" };
  }
}

/** Two screens being compared: asked, waited for, seven drawings, the result. */
export function VerificationView({ now }: { readonly now: Verification }): ReactNode {
  const { t } = useWords();
  const { safety } = useApp();
  const { icon, title, text } = sayingOf(now);
  const { name } = now.person;
  const end = (): void => {
    safety.endVerification().catch(() => undefined); // it runs out by itself
  };
  return (
    <Dialog title={t(title, { name })} onClose={end}>
      <div className={styles["step"]} data-step={now.step} aria-live="polite">
        <h2>
          <Icon name={icon} size={24} />
          {t(title, { name })}
        </h2>
        <p>{t(text, { name })}</p>
        {(now.step === "compare" || now.step === "agreed") && <Drawings emoji={now.emoji} />}
        <Answers now={now} onEnd={end} />
      </div>
    </Dialog>
  );
}

function Drawings({ emoji }: { readonly emoji: readonly string[] }): ReactNode {
  const { t } = useWords();
  return (
    <ol className={styles["drawings"]} aria-label={t("verify.drawings")}>
      {emoji.map((symbol, i) => {
        const word = nameOf(symbol);
        return (
          <li key={i}>
            <span aria-hidden="true">{symbol}</span>
            <span>{word === undefined ? symbol : t(word)}</span>
          </li>
        );
      })}
    </ol>
  );
}

function Answers({ now, onEnd }: { readonly now: Verification; readonly onEnd: () => void }): ReactNode {
  const { t } = useWords();
  const { safety } = useApp();
  switch (now.step) {
    case "asked":
      return (
        <>
          <Button look="main" wide onClick={() => void safety.acceptVerification()}>
            {t("verify.accept")}
          </Button>
          <Button wide onClick={onEnd} autoFocus>
            {t("verify.decline")}
          </Button>
        </>
      );
    case "compare":
      return (
        <>
          <Button look="main" wide onClick={() => void safety.compared(true)}>
            {t("verify.same")}
          </Button>
          <Button look="danger" wide onClick={() => void safety.compared(false)}>
            {t("verify.different")}
          </Button>
        </>
      );
    case "waiting":
    case "agreed":
      return (
        <Button wide onClick={onEnd}>
          {t("verify.cancel")}
        </Button>
      );
    case "done":
    case "ended":
      return (
        <Button look="main" wide onClick={onEnd} autoFocus>
          {t("safety.close")}
        </Button>
      );
  }
}
