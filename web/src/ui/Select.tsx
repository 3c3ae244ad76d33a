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
}

/** One of a few, by the device's own list. */
export function Select<V extends string>({ label, value, options, onChange, labelHidden = false }: SelectProps<V>): ReactNode {
  const id = useId();
  return (
    <div className={styles["field"]}>
      {!labelHidden && <label htmlFor={id}>{label}</label>}
      <span className={styles["box"]}>
        <select
          id={id}
          aria-label={labelHidden ? label : undefined}
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
    </div>
  );
}
