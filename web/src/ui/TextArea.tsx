import { type ReactNode, type TextareaHTMLAttributes, useId } from "react";

import styles from "./TextField.module.css";

export interface TextAreaProps extends Omit<TextareaHTMLAttributes<HTMLTextAreaElement>, "className" | "id"> {
  readonly label: string;
}

/** A field for several lines of text, each running its own way. */
export function TextArea({ label, ...rest }: TextAreaProps): ReactNode {
  const id = useId();
  return (
    <div className={styles["field"]}>
      <label htmlFor={id}>{label}</label>
      <textarea id={id} dir="auto" {...rest} />
    </div>
  );
}
