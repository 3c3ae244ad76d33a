import { type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Poll, PollAnswer } from "../../store/conversation.ts";
import type { MessageItem } from "../../store/model.ts";
import { useApp } from "../context.ts";
import type { Desk } from "./Desk.ts";
import styles from "./PollView.module.css";

export interface PollProps {
  readonly poll: Poll;
  /** Undefined while it is on its way. */
  readonly item: MessageItem | undefined;
  readonly desk: Desk;
}

/** A question with its answers: one votes by choosing, and sees the votes when the poll lets one. */
export function PollView({ poll, item, desk }: PollProps): ReactNode {
  const { t } = useWords();
  const app = useApp();
  const [busy, setBusy] = useState(false);
  const shown = poll.ended || (poll.open && poll.voters > 0);
  const most = Math.max(0, ...poll.answers.map((answer) => answer.people.length));
  const vote = async (answer: PollAnswer): Promise<void> => {
    if (item === undefined) return;
    const own = poll.answers.filter((one) => one.own).map((one) => one.id);
    const without = own.filter((id) => id !== answer.id);
    const next = answer.own ? without : poll.most === 1 ? [answer.id] : [...without, answer.id].slice(-poll.most);
    setBusy(true);
    try {
      await app.homeserver.messages.vote(desk.room, item.id, next);
    } catch {
      app.notices.tell("failed");
    } finally {
      setBusy(false);
    }
  };
  return (
    <fieldset className={styles["poll"]} disabled={poll.ended || item === undefined || busy}>
      <legend dir="auto">{poll.question}</legend>
      {poll.most > 1 && !poll.ended && <p>{t("poll.most", { count: poll.most })}</p>}
      {poll.answers.map((answer) => (
        <label key={answer.id} className={styles["answer"]} data-most={poll.ended && most > 0 && answer.people.length === most}>
          <input type={poll.most > 1 ? "checkbox" : "radio"} checked={answer.own} onChange={() => void vote(answer)} />
          <span dir="auto">{answer.text}</span>
          {shown && <span className={styles["votes"]}>{t("poll.votes", { count: answer.people.length })}</span>}
          {shown && <meter min={0} max={Math.max(1, poll.voters)} value={answer.people.length} aria-hidden="true" />}
        </label>
      ))}
      <p>
        {poll.ended ? t("poll.ended", { count: poll.voters }) : poll.open ? t("poll.voters", { count: poll.voters }) : t("poll.hidden", { count: poll.voters })}
      </p>
    </fieldset>
  );
}
