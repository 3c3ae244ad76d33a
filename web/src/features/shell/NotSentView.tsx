import { type ReactNode, useLayoutEffect, useRef } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp, useViewModel } from "../context.ts";
import { bodyText } from "../room/bodyText.ts";
import styles from "./NotSentView.module.css";
import { NotSentViewModel, type NotSent } from "./NotSentViewModel.ts";

/**
 * Critical messages that nobody has received, on every screen until somebody has decided about each; `over` also in every
 * dialog, since what is under one can be neither heard nor touched.
 */
export function NotSentView({ over = false }: { readonly over?: boolean }): ReactNode {
  const [model, now] = useViewModel((app) => new NotSentViewModel(app));
  if (now.length === 0) return null;
  return (
    <div className={styles["all"]}>
      {now.map((message) => (
        <One key={message.txn} message={message} model={model} over={over} />
      ))}
    </div>
  );
}

function One({ message, model, over }: { readonly message: NotSent; readonly model: NotSentViewModel; readonly over: boolean }): ReactNode {
  const words = useWords();
  const { t, moment } = words;
  const { route, now } = useApp();
  const { txn, room, name, body } = message;
  const place = useSnapshot(route);
  const element = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const section = element.current;
    return () => {
      if (section?.contains(document.activeElement) === true) passFocus(section);
    };
  }, []);
  return (
    <section ref={element} className={styles["notSent"]} role={message.fresh ? "alert" : "group"} aria-label={t("notSent.title")}>
      <Icon name="octagon" size={28} />
      <div className={styles["said"]}>
        <p className={styles["title"]}>{t("notSent.title")}</p>
        <p>{t("notSent.to", { name: name === "" ? t("room.unnamed") : name, time: moment(message.at, now()) })}</p>
        <p className={styles["text"]} dir="auto">
          {bodyText(body, t)}
        </p>
        <p>{t("notSent.text")}</p>
      </div>
      <div className={styles["answers"]}>
        <button type="button" data-main="" onClick={() => void model.again(txn)}>
          {t("notSent.again")}
        </button>
        {!over && (place.at !== "room" || place.room !== room) && (
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

/** Whoever has decided about one goes on with the next, and after the last with what is under it. */
function passFocus(section: HTMLElement): void {
  const next = section.nextElementSibling ?? section.previousElementSibling;
  const under = section.closest("dialog") ?? document.getElementById("content");
  const answers = [...(next ?? under)?.querySelectorAll<HTMLElement>("textarea, input:not([hidden]), button:not(:disabled)") ?? []];
  const first = answers.find((one) => !section.contains(one));
  if (next === null && under?.id === "content") under.focus();
  else first?.focus();
}
