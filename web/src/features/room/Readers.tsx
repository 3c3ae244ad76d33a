import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Person } from "../../store/model.ts";
import { Avatar } from "../../ui/Avatar.tsx";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { useApp } from "../context.ts";
import styles from "./Readers.module.css";
import type { Status } from "./rows.ts";

/** Who has read a message, and when. */
export function Readers({ status, onClose }: { readonly status: Extract<Status, { kind: "read" }>; readonly onClose: () => void }): ReactNode {
  const words = useWords();
  const { now } = useApp();
  const { t } = words;
  return (
    <Dialog title={t("readers.title")} onClose={onClose}>
      <div className={styles["readers"]}>
        <h2>{t("readers.title")}</h2>
        <People people={status.readers.map(({ person, at }) => ({ person, note: at > 0 ? words.moment(at, now()) : "" }))} />
        {status.unread.length > 0 && (
          <>
            <h2>{t("readers.notYet")}</h2>
            <People people={status.unread.map((person) => ({ person, note: "" }))} />
          </>
        )}
        <Button wide onClick={onClose}>
          {t("readers.close")}
        </Button>
      </div>
    </Dialog>
  );
}

function People({ people }: { readonly people: readonly { readonly person: Person; readonly note: string }[] }): ReactNode {
  return (
    <ul>
      {people.map(({ person, note }) => (
        <li key={person.id}>
          <Avatar id={person.id} name={person.name} size="small" />
          <span dir="auto">{person.name}</span>
          <time>{note}</time>
        </li>
      ))}
    </ul>
  );
}
