import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Button } from "../../ui/Button.tsx";
import { Logo } from "../../ui/Logo.tsx";
import { useApp } from "../context.ts";
import styles from "./GateView.module.css";

/** The page came over plain http, so no browser would let it encrypt. */
export function InsecureView(): ReactNode {
  const { t } = useWords();
  return (
    <main className={styles["gate"]}>
      <Logo size={56} />
      <h1>{t("gate.insecureTitle")}</h1>
      <p>{t("gate.insecureText")}</p>
    </main>
  );
}

export function BrokenView({ held, details }: { readonly held: boolean; readonly details: string }): ReactNode {
  const { t } = useWords();
  const { account } = useApp();
  return (
    <main className={styles["gate"]}>
      <Logo size={56} />
      <h1>{t(held ? "gate.heldTitle" : "gate.brokenTitle")}</h1>
      <p>{t(held ? "gate.heldText" : "gate.brokenText")}</p>
      <div className={styles["actions"]}>
        <Button
          look="main"
          onClick={() => {
            account.tryAgain();
          }}
        >
          {t("gate.brokenReload")}
        </Button>
        {!held && (
          <Button
            look="danger"
            onClick={() => {
              void account.startOver();
            }}
          >
            {t("gate.brokenOver")}
          </Button>
        )}
      </div>
      <details>
        <summary>{t("gate.brokenDetails")}</summary>
        <pre>{details}</pre>
      </details>
    </main>
  );
}
