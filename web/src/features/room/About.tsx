import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { IconButton } from "../../ui/Button.tsx";
import { Icon } from "../../ui/Icon.tsx";
import styles from "./About.module.css";
import { bodyText } from "./bodyText.ts";
import type { ComposerSnapshot } from "./ComposerViewModel.ts";
import { durationText } from "./durations.ts";

/** Above what is being written: how long it will stay. */
export function Staying({ after, onClose }: { readonly after: number; readonly onClose: () => void }): ReactNode {
  const { t } = useWords();
  return (
    <div className={styles["about"]}>
      <Icon name="timer" size={18} />
      <p>
        <strong>{t("stay.vanishes", { time: durationText(after, t) })}</strong>
      </p>
      <IconButton icon="close" label={t("stay.stop")} onClick={onClose} />
    </div>
  );
}

/** Above what is being written: the message that it answers, or whose text it changes. */
export function About({ now, onClose }: { readonly now: ComposerSnapshot; readonly onClose: () => void }): ReactNode {
  const { t } = useWords();
  const { about, draft } = now;
  const editing = draft.edit !== undefined;
  return (
    <div className={styles["about"]}>
      <Icon name={editing ? "edit" : "reply"} size={18} />
      <p>
        <strong>{editing ? t("composer.editing") : about === undefined ? t("composer.replying") : t("composer.replyingTo", { name: about.sender.name })}</strong>
        {about !== undefined && <span dir="auto">{bodyText(about.body, t)}</span>}
      </p>
      <IconButton icon="close" label={t(editing ? "composer.stopEdit" : "composer.stopReply")} onClick={onClose} />
    </div>
  );
}
