import { type ReactNode, useId } from "react";

import styles from "./Choices.module.css";

export interface ChoicesProps<V extends string> {
  readonly label: string;
  readonly value: V;
  readonly options: readonly { readonly value: V; readonly label: string; readonly text?: string }[];
  readonly onChange: (value: V) => void;
  readonly disabled?: boolean;
  /** Why it is as it is, such as who else may change it. */
  readonly hint?: string;
}

/** One of a few, with room to explain each. */
export function Choices<V extends string>({ label, value, options, onChange, disabled = false, hint }: ChoicesProps<V>): ReactNode {
  const id = useId();
  return (
    <fieldset className={styles["choices"]} disabled={disabled} aria-describedby={hint === undefined ? undefined : `${id}-hint`}>
      <legend>{label}</legend>
      {options.map((option) => (
        <label key={option.value}>
          <input
            type="radio"
            name={id}
            checked={option.value === value}
            aria-describedby={option.text === undefined ? undefined : `${id}-${option.value}`}
            onChange={() => {
              onChange(option.value);
            }}
          />
          <span>
            <span className={styles["label"]}>{option.label}</span>
            {option.text !== undefined && (
              <span id={`${id}-${option.value}`} className={styles["text"]} aria-hidden="true">
                {option.text}
              </span>
            )}
          </span>
        </label>
      ))}
      {hint !== undefined && (
        <p id={`${id}-hint`} className={styles["text"]}>
          {hint}
        </p>
      )}
    </fieldset>
  );
}
