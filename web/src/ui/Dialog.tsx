import { type ReactNode, useEffect, useRef, useState } from "react";

import styles from "./Dialog.module.css";

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  /** `full` takes the whole window, for a picture; `top` hangs from its upper edge and has no margin inside. */
  readonly look?: "middle" | "full" | "top";
}

/** A window over the page: keeps the focus inside, closes with Escape or a press beside it, gives the focus back. */
export function Dialog({ title, onClose, children, look = "middle" }: DialogProps): ReactNode {
  const element = useRef<HTMLDialogElement>(null);
  const [opener] = useState(() => document.activeElement); // before anything inside takes the focus
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, [opener]);
  return (
    <dialog
      ref={element}
      className={look === "full" ? styles["full"] : `${styles["dialog"] ?? ""} ${look === "top" ? (styles["top"] ?? "") : ""}`}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === element.current) onClose();
      }}
    >
      <div className={styles["inside"]}>{children}</div>
    </dialog>
  );
}
