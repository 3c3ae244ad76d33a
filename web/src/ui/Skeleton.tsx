import type { ReactNode } from "react";

import styles from "./Skeleton.module.css";

/** The shape of a list that is on its way. Shown only when it takes longer than a glance. */
export function Skeleton({ rows, label }: { readonly rows: number; readonly label: string }): ReactNode {
  return (
    <div className={styles["list"]} role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} className={styles["row"]}>
          <span className={styles["disc"]} />
          <span className={styles["lines"]}>
            <span className={styles["line"]} />
            <span className={styles["short"]} />
          </span>
        </div>
      ))}
    </div>
  );
}
