import { type ReactNode, useId } from "react";

import styles from "./Switch.module.css";

export interface SwitchProps {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly on: boolean;
  readonly onChange: (on: boolean) => void;
  readonly disabled?: boolean;
}

/** Something that is on or off, and changes at once. */
export function Switch({ label, hint, on, onChange, disabled = false }: SwitchProps): ReactNode {
  const id = useId();
  return (
    <label className={styles["switch"]}>
      <span className={styles["words"]}>
        <span>{label}</span>
        {hint !== undefined && <small id={id}>{hint}</small>}
      </span>
      <input
        type="checkbox"
        role="switch"
        checked={on}
        disabled={disabled}
        aria-label={label}
        aria-describedby={hint === undefined ? undefined : id}
        onChange={(event) => {
          onChange(event.currentTarget.checked);
        }}
      />
      <span className={styles["track"]} aria-hidden="true">
        <span />
      </span>
    </label>
  );
}
