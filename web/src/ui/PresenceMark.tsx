import type { ReactNode } from "react";

import styles from "./PresenceMark.module.css";

/** Drawn apart by shape, not by colour alone: a full disc with a tick, a half one, an empty ring. */
const shapes = {
  online: (
    <>
      <circle className={styles["online"]} cx="7" cy="7" r="6" />
      <path className={styles["tick"]} d="M4.2 7.2 6.2 9.2 9.9 5.2" />
    </>
  ),
  away: (
    <>
      <circle className={styles["ring"]} cx="7" cy="7" r="5" />
      <path className={styles["away"]} d="M7 2a5 5 0 0 0 0 10z" />
    </>
  ),
  offline: <circle className={styles["ring"]} cx="7" cy="7" r="5" />,
} as const;

/** Whether somebody is there. */
export function PresenceMark({ presence, label }: { readonly presence: keyof typeof shapes; readonly label: string }): ReactNode {
  return (
    <svg className={styles["mark"]} width="14" height="14" viewBox="0 0 14 14" role="img" aria-label={label}>
      {shapes[presence]}
    </svg>
  );
}
