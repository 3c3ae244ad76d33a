import { createContext, type ReactNode, use, useEffect, useRef, useState } from "react";

import styles from "./Dialog.module.css";

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  /** `full` takes the whole window, for a picture; `top` hangs from its upper edge and has no margin inside. */
  readonly look?: "middle" | "full" | "top";
}

/** What stands at the top of every window over the page: nothing under one can be touched. */
export const OverDialogs = createContext<ReactNode>(null);

/** A window over the page: keeps the focus inside, closes with Escape or a press beside it, gives the focus back. */
export function Dialog({ title, onClose, children, look = "middle" }: DialogProps): ReactNode {
  const element = useRef<HTMLDialogElement>(null);
  const over = use(OverDialogs);
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
      {over}
      <div className={styles["inside"]}>{children}</div>
    </dialog>
  );
}
