import { type ReactNode, useEffect } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import type { NoticeKind } from "../../store/Notices.ts";
import { Toast } from "../../ui/Toast.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";

const words: Record<NoticeKind, Word> = { failed: "notice.failed", copied: "notice.copied", saved: "notice.saved", sent: "notice.sent", reported: "report.done" };
const shownFor = 6_000;

/** What the app tells in passing, for as long as it takes to read it. */
export function NoticeView(): ReactNode {
  const { t } = useWords();
  const { notices } = useApp();
  const notice = useSnapshot(notices);
  useEffect(() => {
    if (notice === undefined) return;
    const timer = setTimeout(() => {
      notices.end(notice);
    }, shownFor);
    return () => {
      clearTimeout(timer);
    };
  }, [notices, notice]);
  return <Toast text={notice === undefined ? undefined : t(words[notice.kind])} />;
}
