import { type ReactNode, useId } from "react";

import { Icon } from "./Icon.tsx";
import type { IconName } from "./icons.ts";
import styles from "./Tiles.module.css";

export interface TilesProps<V extends string> {
  readonly label: string;
  readonly value: V;
  readonly options: readonly { readonly value: V; readonly label: string; readonly icon?: IconName }[];
  readonly onChange: (value: V) => void;
}

/** One of a few that need no explanation, side by side. */
export function Tiles<V extends string>({ label, value, options, onChange }: TilesProps<V>): ReactNode {
  const name = useId();
  return (
    <div className={styles["tiles"]} role="radiogroup" aria-label={label}>
      {options.map((option) => (
        <label key={option.value}>
          <input
            type="radio"
            name={name}
            checked={option.value === value}
            onChange={() => {
              onChange(option.value);
            }}
          />
          {option.icon !== undefined && <Icon name={option.icon} />}
          <span>{option.label}</span>
        </label>
      ))}
    </div>
  );
}
