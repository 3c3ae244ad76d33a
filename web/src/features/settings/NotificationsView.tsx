import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Button } from "../../ui/Button.tsx";
import { Choices } from "../../ui/Choices.tsx";
import { Skeleton } from "../../ui/Skeleton.tsx";
import { Switch } from "../../ui/Switch.tsx";
import { useViewModel } from "../context.ts";
import { Card } from "./Card.tsx";
import { NotificationsViewModel, type NotificationsSnapshot } from "./NotificationsViewModel.ts";
import styles from "./settings.module.css";

/** What is announced, and how. A single conversation may say otherwise. */
export function NotificationsView(): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new NotificationsViewModel(app));
  return (
    <>
      <section className={styles["card"]} aria-label={t("notifications.level")}>
        <Level now={now} model={model} />
      </section>
      <Card title={t("notifications.here")}>
        <Switch label={t("notifications.sound")} on={now.sound} onChange={model.setSound} />
        <Switch
          label={t("notifications.outside")}
          hint={t(now.refused ? "notifications.outsideRefused" : "notifications.outsideHint")}
          on={now.outside}
          onChange={(on) => void model.setOutside(on)}
        />
      </Card>
    </>
  );
}

function Level({ now, model }: { readonly now: NotificationsSnapshot; readonly model: NotificationsViewModel }): ReactNode {
  const { t } = useWords();
  if (now.state === "failed") {
    return (
      <div className={styles["failed"]} role="alert">
        <p>{t("settings.loadFailed")}</p>
        <Button icon="retry" onClick={() => void model.load()}>
          {t("room.olderRetry")}
        </Button>
      </div>
    );
  }
  if (now.level === undefined) return <Skeleton rows={3} label={t("notifications.loading")} />;
  return (
    <Choices
      label={t("notifications.level")}
      value={now.level}
      options={[
        { value: "all", label: t("notifications.all"), text: t("notifications.allHint") },
        { value: "mentions", label: t("notifications.mentions"), text: t("notifications.mentionsHint") },
        { value: "none", label: t("notifications.none"), text: t("notifications.noneHint") },
      ]}
      onChange={(level) => void model.choose(level)}
    />
  );
}
