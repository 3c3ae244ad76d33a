import type { ReactNode } from "react";

import styles from "./Logo.module.css";

/** The mark: a nerve fibre in its myelin sheath, bent into a speech bubble. Decorative; the name stands beside it. */
export function Logo({ size = 32 }: { readonly size?: number }): ReactNode {
  return (
    <svg className={styles["logo"]} width={size} height={size} viewBox="0 0 64 64" aria-hidden="true">
      <rect className={styles["ground"]} width="64" height="64" rx="15" />
      <g fill="none" strokeLinecap="round">
        <path className={styles["fibre"]} strokeWidth="3" d="M22.1 41.9A17.5 17.5 0 0 1 46.9 17.1A17.5 17.5 0 0 1 22.1 41.9L14 50.5" />
        <path
          className={styles["sheath"]}
          strokeWidth="7.5"
          d="M50 21.3A17.5 17.5 0 0 1 50 37.7M42.7 45A17.5 17.5 0 0 1 26.3 45M19 37.7A17.5 17.5 0 0 1 19 21.3M26.3 14A17.5 17.5 0 0 1 42.7 14"
        />
      </g>
      <circle className={styles["end"]} cx="14" cy="50.5" r="4" />
    </svg>
  );
}
