import type { ReactNode } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import type { Trust } from "../../store/model.ts";
import { Button } from "../../ui/Button.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import { Card } from "../settings/Card.tsx";
import styles from "./trust.module.css";

const trusts: Record<Trust, Word> = {
  unknown: "safety.deviceUnknown",
  settingUp: "safety.deviceSettingUp",
  ready: "safety.deviceReady",
  unconfirmed: "safety.deviceUnconfirmed",
};

/** How safe this device and its messages are, in plain words, and what can be done about it. */
export function SafetyCard(): ReactNode {
  const { t } = useWords();
  const { account, guide, safety, trust: trustOf } = useApp();
  const trust = useSnapshot(trustOf);
  const recovery = useSnapshot(safety.recovery);
  return (
    <Card title={t("safety.title")}>
      <p className={styles["state"]} data-good={trust === "ready"} data-bad={trust === "unconfirmed"}>
        <Icon name={trust === "unconfirmed" ? "alert" : "lock"} />
        <span>{t(trusts[trust])}</span>
      </p>
      {trust === "ready" && recovery !== "unknown" && (
        <p className={styles["state"]} data-good={recovery === "ready"} data-bad={recovery === "missing"}>
          <Icon name={recovery === "ready" ? "key" : "alert"} />
          <span>{t(recovery === "ready" ? "safety.recoveryReady" : "safety.recoveryMissing")}</span>
        </p>
      )}
      <div className={styles["row"]}>
        {trust === "unconfirmed" && (
          <Button
            look="main"
            icon="device"
            onClick={() => {
              guide.open("confirm");
            }}
          >
            {t("safety.confirm")}
          </Button>
        )}
        {trust === "ready" && recovery !== "unknown" && (
          <Button
            look={recovery === "missing" ? "main" : "plain"}
            icon="key"
            onClick={() => {
              guide.open("recovery");
            }}
          >
            {t(recovery === "ready" ? "safety.recoveryNew" : "safety.recoveryMake")}
          </Button>
        )}
        <Button icon="lock" onClick={() => void account.lock()}>
          {t("safety.lock")}
        </Button>
      </div>
    </Card>
  );
}
