import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp, useViewModel } from "../context.ts";
import styles from "./NotSentView.module.css";
import { NotSentViewModel, type NotSent } from "./NotSentViewModel.ts";

/** Critical messages that nobody has received, on every screen until somebody has decided about each. */
export function NotSentView(): ReactNode {
  const [model, now] = useViewModel((app) => new NotSentViewModel(app));
  return now.map((message) => <One key={message.txn} message={message} model={model} />);
}

function One({ message, model }: { readonly message: NotSent; readonly model: NotSentViewModel }): ReactNode {
  const { t, time } = useWords();
  const { route } = useApp();
  const { txn, room, name, text } = message;
  const place = useSnapshot(route);
  return (
    <section className={styles["notSent"]} role="alert">
      <Icon name="octagon" size={28} />
      <div className={styles["said"]}>
        <p className={styles["title"]}>{t("notSent.title")}</p>
        <p>{t("notSent.to", { name: name === "" ? t("room.unnamed") : name, time: time(message.at) })}</p>
        <p className={styles["text"]} dir="auto">
          {text}
        </p>
        <p>{t("notSent.text")}</p>
      </div>
      <div className={styles["answers"]}>
        <button type="button" data-main="" onClick={() => void model.again(txn)}>
          {t("notSent.again")}
        </button>
        {(place.at !== "room" || place.room !== room) && (
          <button
            type="button"
            onClick={() => {
              route.go({ at: "room", room });
            }}
          >
            {t("notSent.open")}
          </button>
        )}
        <button type="button" onClick={() => void model.drop(txn)}>
          {t("notSent.drop")}
        </button>
      </div>
    </section>
  );
}
