import type { ReactNode } from "react";

import { version } from "../../../package.json";
import { showShortcuts } from "../../actions/go.ts";
import { type Word, useWords } from "../../i18n/words.tsx";
import { Logo } from "../../ui/Logo.tsx";
import { ActionButton } from "../ActionButton.tsx";
import { Card } from "./Card.tsx";
import styles from "./settings.module.css";

const questions: readonly (readonly [Word, Word])[] = [
  ["about.startQuestion", "about.startAnswer"],
  ["about.readQuestion", "about.readAnswer"],
  ["about.waitQuestion", "about.waitAnswer"],
  ["about.offlineQuestion", "about.offlineAnswer"],
  ["about.lostQuestion", "about.lostAnswer"],
];

/** Help in a few questions, and what this is. */
export function AboutView(): ReactNode {
  const { t } = useWords();
  return (
    <>
      <Card title={t("about.help")}>
        <div className={styles["questions"]}>
          {questions.map(([question, answer]) => (
            <details key={question}>
              <summary>{t(question)}</summary>
              <p>{t(answer)}</p>
            </details>
          ))}
        </div>
        <ActionButton action={showShortcuts} target={undefined} />
      </Card>
      <Card title={t("about.title")}>
        <div className={styles["brand"]}>
          <Logo size={48} />
          <div>
            <strong>{t("app.name")}</strong>
            <p className={styles["soft"]}>{t("app.tagline")}</p>
          </div>
        </div>
        <p className={styles["soft"]}>{t("about.version", { version })}</p>
        <p className={styles["soft"]}>{t("about.licence")}</p>
      </Card>
    </>
  );
}
