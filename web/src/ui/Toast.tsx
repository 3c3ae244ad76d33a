import type { ReactNode } from "react";

import styles from "./Toast.module.css";

/** A line that comes and goes at the lower edge, and is read out when it comes. */
export function Toast({ text }: { readonly text: string | undefined }): ReactNode {
  return (
    <div className={styles["place"]} role="status">
      {text !== undefined && <p className={styles["toast"]}>{text}</p>}
    </div>
  );
}
