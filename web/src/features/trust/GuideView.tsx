import { Suspense, type ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import { later } from "../later.ts";
import styles from "./trust.module.css";

// None of these is needed to read and write: they come when they are asked for.
const RecoveryView = later(async () => (await import("./RecoveryView.tsx")).RecoveryView);
const ConfirmView = later(async () => (await import("./ConfirmView.tsx")).ConfirmView);
const ConfirmedView = later(async () => (await import("./ConfirmView.tsx")).ConfirmedView);
const AfreshView = later(async () => (await import("./AfreshView.tsx")).AfreshView);
const VerificationView = later(async () => (await import("./VerificationView.tsx")).VerificationView);

/** What has to be done about encryption now, over whatever is on the screen. */
export function GuideView(): ReactNode {
  const { guide, safety } = useApp();
  const step = useSnapshot(guide);
  const verification = useSnapshot(safety.verification);
  return (
    <Suspense fallback={null}>
      {verification !== undefined ? (
        <VerificationView now={verification} />
      ) : (
        <>
          {step === "recovery" && <RecoveryView />}
          {step === "confirm" && <ConfirmView />}
          {step === "confirmed" && <ConfirmedView />}
          {step === "afresh" && <AfreshView />}
        </>
      )}
    </Suspense>
  );
}

/** A newer version waits: whoever likes changes over now, the rest when nobody looks. */
export function UpdateBar(): ReactNode {
  const { t } = useWords();
  const { updates } = useApp();
  if (!useSnapshot(updates.ready)) return null;
  return (
    <div className={styles["bar"]} data-look="calm">
      <Icon name="retry" size={18} />
      <span>{t("update.ready")}</span>
      <button
        type="button"
        onClick={() => {
          updates.apply();
        }}
      >
        {t("update.now")}
      </button>
    </div>
  );
}

/** Says what was put off, until it is done. */
export function SafetyBar(): ReactNode {
  const { t } = useWords();
  const { guide, safety, trust } = useApp();
  useSnapshot(safety.recovery);
  useSnapshot(trust);
  const step = useSnapshot(guide);
  const { missing } = guide;
  if (missing === undefined || step !== "none") return null;
  return (
    <div className={styles["bar"]}>
      <Icon name="key" size={18} />
      <span>{t(missing === "confirm" ? "safety.barConfirm" : "safety.barRecovery")}</span>
      <button
        type="button"
        onClick={() => {
          guide.open(missing);
        }}
      >
        {t("safety.barGo")}
      </button>
    </div>
  );
}
