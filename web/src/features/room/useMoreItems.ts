import { useEffect } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { MenuItem } from "../../ui/MenuPopup.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import type { Desk } from "./Desk.ts";

/** What else can be written than plain text, for the menu beside it. */
export function useMoreItems(desk: Desk, formatting: boolean, onFormatting: (shown: boolean) => void): readonly MenuItem[] {
  const { t } = useWords();
  const { messages } = useApp().homeserver;
  const scheduled = useSnapshot(messages.scheduled());
  const { canWait } = useSnapshot(desk.composer);
  const { powers } = useSnapshot(desk.timeline);
  useEffect(() => {
    messages.refreshScheduled().catch(() => {
      // Asked again when the list is opened.
    });
  }, [messages]);
  const waiting = scheduled.messages.filter((one) => one.room === desk.room).length;
  const asking = (kind: "replies" | "poll" | "place" | "schedule" | "scheduled" | "expiry" | "stay", label: string, icon: MenuItem["icon"], shown = true): readonly MenuItem[] => {
    const onSelect = (): void => {
      desk.ask({ kind });
    };
    return shown ? [{ id: kind, label, onSelect, ...(icon === undefined ? {} : { icon }) }] : [];
  };
  return [
    {
      id: "format",
      label: t(formatting ? "format.hide" : "format.show"),
      icon: "bold",
      onSelect: () => {
        onFormatting(!formatting);
      },
    },
    ...asking("replies", t("replies.title"), "bookmark"),
    ...asking("poll", t("poll.make"), "poll"),
    ...asking("place", t("place.send"), "place"),
    ...asking("schedule", t("schedule.title"), "clock", scheduled.able && canWait),
    ...asking("scheduled", t("schedule.list", { count: waiting }), "clock", waiting > 0),
    ...asking("stay", t("stay.title"), "timer"),
    ...asking("expiry", t("expiry.title"), "timer", powers.expiry && desk.thread === undefined),
  ];
}
