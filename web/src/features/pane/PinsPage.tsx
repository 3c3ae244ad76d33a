import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import styles from "./PaneView.module.css";

/** What everybody here should find again. */
export function PinsPage(): ReactNode {
  const { t } = useWords();
  return <p className={styles["soft"]}>{t("pins.none")}</p>;
}
