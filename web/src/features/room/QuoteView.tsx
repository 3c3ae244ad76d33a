import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Quote } from "../../store/conversation.ts";
import { bodyText } from "./bodyText.ts";
import type { Desk } from "./Desk.ts";
import styles from "./QuoteView.module.css";

/** The message that another one answers, in one line; pressing it goes there. */
export function QuoteView({ quote, desk }: { readonly quote: Quote; readonly desk: Desk }): ReactNode {
  const { t } = useWords();
  return (
    <button type="button" className={styles["quote"]} title={t("message.goToAnswered")} onClick={() => void desk.toItem(quote.item)}>
      {quote.sender !== undefined && <bdi className={styles["sender"]}>{quote.sender.name}</bdi>}
      <span className={styles["text"]} dir="auto">
        {quote.body === undefined ? t("message.answered") : bodyText(quote.body, t)}
      </span>
    </button>
  );
}
