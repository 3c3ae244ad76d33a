import type { ButtonHTMLAttributes, MouseEvent, ReactNode } from "react";

import styles from "./Button.module.css";
import { Icon, type IconName } from "./Icon.tsx";

export interface ButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, "className"> {
  readonly look?: "main" | "plain" | "quiet" | "danger" | undefined;
  readonly icon?: IconName;
  readonly wide?: boolean;
}

type Pressed = Pick<ButtonHTMLAttributes<HTMLButtonElement>, "disabled" | "onClick">;

/** Does nothing, and sends no form. */
function ignore(event: MouseEvent): void {
  event.preventDefault();
  event.stopPropagation();
}

/** A button that cannot be pressed now stays where it is for the keyboard: the browser takes the focus from disabled ones. */
export function pressable({ disabled = false, onClick }: Pressed): Pick<ButtonHTMLAttributes<HTMLButtonElement>, "aria-disabled" | "onClick"> {
  return disabled ? { "aria-disabled": true, onClick: ignore } : { onClick };
}

export function Button({ look = "plain", icon, wide = false, children, type = "button", disabled, onClick, ...rest }: ButtonProps): ReactNode {
  return (
    <button type={type} className={`${styles["button"] ?? ""} ${styles[look] ?? ""} ${wide ? (styles["wide"] ?? "") : ""}`} {...rest} {...pressable({ disabled, onClick })}>
      {icon !== undefined && <Icon name={icon} size={18} />}
      <span>{children}</span>
    </button>
  );
}

export interface IconButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, "className" | "aria-label" | "title"> {
  readonly icon: IconName;
  /** What it does, for those who cannot see the drawing and as its tip. */
  readonly label: string;
  readonly look?: "quiet" | "main" | "raised";
  /** The keys that do the same. */
  readonly hint?: string | undefined;
}

export function IconButton({ icon, label, look = "quiet", hint, type = "button", disabled, onClick, ...rest }: IconButtonProps): ReactNode {
  return (
    <button type={type} className={`${styles["icon"] ?? ""} ${styles[look] ?? ""}`} aria-label={label} title={hint === undefined ? label : `${label} (${hint})`} {...rest} {...pressable({ disabled, onClick })}>
      <Icon name={icon} size={22} />
    </button>
  );
}
