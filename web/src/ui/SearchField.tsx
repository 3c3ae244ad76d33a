import type { ReactNode } from "react";

import { Icon } from "./Icon.tsx";
import styles from "./SearchField.module.css";

export interface SearchFieldProps {
  readonly label: string;
  readonly clearLabel: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly autoFocus?: boolean;
  /** Is this a search of its own for those who jump from landmark to landmark? There should be one on a screen. */
  readonly landmark?: boolean;
}

export function SearchField({ label, clearLabel, value, onChange, autoFocus = false, landmark = true }: SearchFieldProps): ReactNode {
  return (
    <div className={styles["field"]} role={landmark ? "search" : undefined}>
      <Icon name="search" size={18} />
      <input
        type="text"
        inputMode="search"
        enterKeyHint="search"
        autoComplete="off"
        spellCheck={false}
        aria-label={label}
        placeholder={label}
        value={value}
        autoFocus={autoFocus}
        onChange={(event) => {
          onChange(event.currentTarget.value);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || value === "") return;
          event.preventDefault(); // once more for what the field stands in
          onChange("");
        }}
      />
      {value !== "" && (
        <button
          type="button"
          aria-label={clearLabel}
          onClick={() => {
            onChange("");
          }}
        >
          <Icon name="close" size={18} />
        </button>
      )}
    </div>
  );
}
