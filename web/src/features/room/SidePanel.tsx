import { type ReactNode, useId } from "react";

import { useWords } from "../../i18n/words.tsx";
import { IconButton } from "../../ui/Button.tsx";
import { useApp } from "../context.ts";
import styles from "./SidePanel.module.css";

export interface SidePanelProps {
  readonly title: string;
  readonly room: string;
  readonly children: ReactNode;
}

/** What lies beside a conversation; on a phone it takes the screen. Escape closes it. */
export function SidePanel({ title, room, children }: SidePanelProps): ReactNode {
  const { t } = useWords();
  const { route } = useApp();
  const id = useId();
  const close = (): void => {
    route.go({ at: "room", room });
  };
  return (
    <aside
      className={styles["panel"]}
      aria-labelledby={id}
      onKeyDown={(event) => {
        if (event.key === "Escape" && !event.defaultPrevented && !(event.target instanceof Element && event.target.closest("dialog, [popover]") !== null)) close();
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        <IconButton icon="close" label={t("panel.close")} onClick={close} />
      </header>
      {children}
    </aside>
  );
}
