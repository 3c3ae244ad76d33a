import type { ReactNode } from "react";

import { type Words, useWords } from "../../i18n/words.tsx";
import type { Note } from "../../store/model.ts";
import { Icon } from "../../ui/Icon.tsx";
import styles from "./NoteView.module.css";

/** What happened in a room besides messages, in one quiet line. */
export function NoteView({ note }: { readonly note: Note }): ReactNode {
  const { t } = useWords();
  return (
    <p className={styles["note"]}>
      {note.kind === "encrypted" && <Icon name="lock" size={14} />}
      <span>{noteText(note, t)}</span>
    </p>
  );
}

function noteText(note: Note, t: Words["t"]): string {
  const who = note.who.name;
  switch (note.kind) {
    case "created":
      return t("note.created", { who });
    case "encrypted":
      return t("note.encrypted");
    case "joined":
      return t("note.joined", { who });
    case "left":
      return t("note.left", { who });
    case "declined":
      return t("note.declined", { who });
    case "invited":
      return t("note.invited", { who, target: note.target.name });
    case "removedPerson":
      return t("note.removedPerson", { who, target: note.target.name });
    case "banned":
      return t("note.banned", { who, target: note.target.name });
    case "named":
      return t("note.named", { who, name: note.name });
  }
}
