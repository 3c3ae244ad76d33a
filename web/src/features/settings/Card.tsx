import { type ReactNode, useId } from "react";

import styles from "./settings.module.css";

/** Settings that belong together, under a heading. */
export function Card({ title, children }: { readonly title: string; readonly children: ReactNode }): ReactNode {
  const id = useId();
  return (
    <section className={styles["card"]} aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}
