import type { ReactNode } from "react";

import styles from "./Empty.module.css";

export interface EmptyProps {
  readonly title: string;
  readonly text?: string;
  /** It is all that the screen has. */
  readonly whole?: boolean;
  readonly children?: ReactNode;
}

/** What stands where there is nothing: one sentence and the one thing to do. */
export function Empty({ title, text, whole = false, children }: EmptyProps): ReactNode {
  const Heading = whole ? "h1" : "h2";
  return (
    <div className={styles["empty"]}>
      <svg className={styles["fibre"]} width="168" height="40" viewBox="0 0 168 40" fill="none" strokeLinecap="round" aria-hidden="true">
        <path d="M4 20h160" strokeWidth="2" />
        <path d="M22 20h26M70 20h28M120 20h26" strokeWidth="12" />
      </svg>
      <Heading>{title}</Heading>
      {text !== undefined && <p>{text}</p>}
      {children}
    </div>
  );
}
