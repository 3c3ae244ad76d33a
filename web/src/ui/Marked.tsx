import type { ReactNode } from "react";

import styles from "./Marked.module.css";

export interface MarkedProps {
  /** The pieces of a text, one after the other; hits are marked. */
  readonly pieces: readonly { readonly text: string; readonly hit: boolean }[];
}

/** A text with what was looked for in it. It runs in its own direction. */
export function Marked({ pieces }: MarkedProps): ReactNode {
  return (
    <bdi className={styles["text"]} dir="auto">
      {pieces.map(({ text, hit }, i) => (hit ? <mark key={i}>{text}</mark> : text))}
    </bdi>
  );
}
