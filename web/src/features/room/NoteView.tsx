import type { ReactNode } from "react";

import { type Words, useWords } from "../../i18n/words.tsx";
import type { Note } from "../../store/model.ts";
import { Icon } from "../../ui/Icon.tsx";
import { durationText } from "./durations.ts";
import styles from "./NoteView.module.css";
import type { NotesRow } from "./rows.ts";

/** More than this in one go is folded up. */
const folded = 3;

/** What happened in a room besides messages, in quiet lines; many of them in one. */
export function NotesView({ notes }: { readonly notes: NotesRow["notes"] }): ReactNode {
  const { t } = useWords();
  if (notes.length <= folded) return notes.map(({ id, note }) => <NoteView key={id} note={note} />);
  return (
    <details className={styles["notes"]}>
      <summary>{t("note.many", { count: notes.length })}</summary>
      {notes.map(({ id, note }) => (
        <NoteView key={id} note={note} />
      ))}
    </details>
  );
}

function NoteView({ note }: { readonly note: Note }): ReactNode {
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
    case "topic":
      return t("note.topic", { who });
    case "picture":
      return t("note.picture", { who });
    case "powers":
      return t("note.powers", { who });
    case "pinned":
      return t("note.pinned", { who });
    case "expiry":
      return note.after === undefined ? t("note.expiryOff", { who }) : t("note.expiry", { who, time: durationText(note.after, t) });
  }
}
