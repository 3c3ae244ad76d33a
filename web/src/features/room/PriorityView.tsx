import type { ReactNode } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import type { Priority } from "../../store/model.ts";
import { IconButton } from "../../ui/Button.tsx";
import { Icon, type IconName } from "../../ui/Icon.tsx";
import { Menu } from "../../ui/Menu.tsx";
import type { MenuItem } from "../../ui/MenuPopup.tsx";
import { priorityWords } from "../priority.ts";
import type { ComposerViewModel } from "./ComposerViewModel.ts";
import styles from "./PriorityView.module.css";

const icons: Readonly<Record<Priority, IconName>> = { urgent: "bell", critical: "octagon" };
const explained: Readonly<Record<Priority, Word>> = { urgent: "priority.urgentText", critical: "priority.criticalText" };

/** Says over a message how soon somebody must know. */
export function PriorityMark({ priority }: { readonly priority: Priority }): ReactNode {
  const { t } = useWords();
  return (
    <p className={styles["mark"]} data-priority={priority}>
      <Icon name={icons[priority]} size={18} />
      {t(priorityWords[priority])}
    </p>
  );
}

/** Chooses how soon somebody must know what is being written. */
export function PriorityMenu({ model }: { readonly model: ComposerViewModel }): ReactNode {
  const { t } = useWords();
  const item = (priority: Priority): MenuItem => ({
    id: priority,
    label: t(priorityWords[priority]),
    icon: icons[priority],
    onSelect: () => {
      model.prioritize(priority);
    },
  });
  return <Menu label={t("priority.menu")} icon="flag" items={[item("urgent"), item("critical")]} />;
}

/** Above what is being written: how soon somebody must know it, and what that means. */
export function PriorityBand({ priority, onClose }: { readonly priority: Priority; readonly onClose: () => void }): ReactNode {
  const { t } = useWords();
  return (
    <div className={styles["band"]} data-priority={priority}>
      <Icon name={icons[priority]} size={20} />
      <p>
        <strong>{t(priorityWords[priority])}</strong>
        <span>{t(explained[priority])}</span>
      </p>
      <IconButton icon="close" label={t("priority.none")} onClick={onClose} />
    </div>
  );
}
