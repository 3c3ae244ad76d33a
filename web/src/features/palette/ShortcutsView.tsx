import type { ReactNode } from "react";

import type { Action } from "../../actions/Action.ts";
import { commands } from "../../actions/commands.ts";
import { useWords } from "../../i18n/words.tsx";
import { IconButton } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { useApp } from "../context.ts";
import { Keys } from "../Keys.tsx";
import styles from "./ShortcutsView.module.css";

/** Every shortcut there is, from the commands themselves. */
export function ShortcutsView(): ReactNode {
  const { t } = useWords();
  const { overlay } = useApp();
  const close = (): void => {
    overlay.set("none");
  };
  return (
    <Dialog title={t("shortcuts.title")} onClose={close}>
      <header className={styles["head"]}>
        <h2>{t("shortcuts.title")}</h2>
        <IconButton icon="close" label={t("readers.close")} onClick={close} />
      </header>
      <dl className={styles["list"]}>
        {commands.filter(hasShortcut).map((action) => (
          <div key={action.id}>
            <dt>{t(action.label)}</dt>
            <dd>
              {action.shortcuts.map((shortcut) => (
                <Keys key={shortcut.key} shortcut={shortcut} />
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function hasShortcut(action: Action): action is Action & Required<Pick<Action, "shortcuts">> {
  return action.shortcuts !== undefined;
}
