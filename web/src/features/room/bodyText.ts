import type { Word } from "../../i18n/language.ts";
import { plainText } from "../../store/plain.ts";
import type { RowBody } from "./rows.ts";

type Say = (key: Word, values?: Readonly<Record<string, string | number>>) => string;

/** A message in one line, for quotes, lists and whoever listens. */
export function bodyText(body: RowBody, t: Say): string {
  switch (body.kind) {
    case "text": {
      const text = plainText(body.text, body.html);
      return text.length > 300 ? `${text.slice(0, 300)}…` : text;
    }
    case "picture":
      return body.caption === "" ? t("inbox.picture") : body.caption;
    case "sending":
      return body.media.name;
    case "video":
      return t("inbox.video");
    case "voice":
      return t("inbox.voice");
    case "audio":
      return t("inbox.audio");
    case "file":
      return body.name;
    case "poll":
      return t("poll.line", { question: body.poll.question });
    case "place":
      return t("inbox.place");
    case "removed":
      return t("message.removed");
    case "waiting":
      return t("inbox.waiting");
  }
}
