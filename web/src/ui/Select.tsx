import { type ReactNode, useId } from "react";

import { Icon } from "./Icon.tsx";
import styles from "./Select.module.css";

export interface SelectProps<V extends string> {
  readonly label: string;
  readonly value: V;
  readonly options: readonly { readonly value: V; readonly label: string }[];
  readonly onChange: (value: V) => void;
  /** The label is for those who cannot see what the choice is about; something beside it says it to the others. */
  readonly labelHidden?: boolean;
  readonly disabled?: boolean;
  /** Why it is as it is, such as who else may change it. */
  readonly hint?: string;
}

/** One of a few, by the device's own list. */
export function Select<V extends string>({ label, value, options, onChange, labelHidden = false, disabled = false, hint }: SelectProps<V>): ReactNode {
  const id = useId();
  return (
    <div className={styles["field"]}>
      {!labelHidden && <label htmlFor={id}>{label}</label>}
      <span className={styles["box"]}>
        <select
          id={id}
          aria-label={labelHidden ? label : undefined}
          aria-describedby={hint === undefined ? undefined : `${id}-hint`}
          disabled={disabled}
          value={value}
          onChange={(event) => {
            const chosen = options.find((option) => option.value === event.currentTarget.value);
            if (chosen !== undefined) onChange(chosen.value);
          }}
        >
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
        <Icon name="chevronDown" size={18} />
      </span>
      {hint !== undefined && <p id={`${id}-hint`}>{hint}</p>}
    </div>
  );
}
