import type { Word } from "../i18n/words.tsx";
import type { Priority } from "../store/model.ts";

/** What a message is marked with, in words. */
export const priorityWords: Readonly<Record<Priority, Word>> = { urgent: "priority.urgent", critical: "priority.critical" };
