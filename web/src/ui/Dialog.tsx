import { type ReactNode, useEffect, useRef } from "react";

import styles from "./Dialog.module.css";

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  /** Takes the whole window, for a picture. */
  readonly full?: boolean;
}

/** A window over the page: keeps the focus inside, closes with Escape or a press beside it, gives the focus back. */
export function Dialog({ title, onClose, children, full = false }: DialogProps): ReactNode {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => {
      dialog?.close();
    };
  }, []);
  return (
    <dialog
      ref={element}
      className={full ? styles["full"] : styles["dialog"]}
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
