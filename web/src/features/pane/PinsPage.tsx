import { type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Timeline } from "../../store/model.ts";
import { IconButton } from "../../ui/Button.tsx";
import { Empty } from "../../ui/Empty.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import { Link } from "../Link.tsx";
import { bodyText } from "../room/bodyText.ts";
import lines from "../room/lines.module.css";
import { RoomStoreOf } from "../room/RoomStoreOf.ts";

/** What everybody here should find again, the newest first. */
export function PinsPage({ room }: { readonly room: string }): ReactNode {
  const { t } = useWords();
  const app = useApp();
  const [store] = useState(() => new RoomStoreOf<Timeline>(app, (homeserver) => homeserver.timeline(room)));
  const timeline = useSnapshot(store);
  const pinned = timeline?.pinned ?? [];
  if (pinned.length === 0) return <Empty title={t("pins.none")} text={t("pins.noneText")} />;
  return (
    <ul className={lines["lines"]} data-bare="">
      {pinned.toReversed().map(({ item, sender, body }) => (
        <li key={item}>
          <Link to={{ at: "room", room, item }}>
            <span className={lines["text"]}>
              {sender !== undefined && (
                <strong>
                  <bdi>{sender.name}</bdi>
                </strong>
              )}
              <span dir="auto">{body === undefined ? t("message.answered") : bodyText(body, t)}</span>
            </span>
          </Link>
          {timeline?.powers.pin === true && (
            <IconButton
              icon="close"
              label={t("action.unpin")}
              onClick={() => {
                app.homeserver.messages.pin(room, item, false).catch(() => {
                  app.notices.tell("failed");
                });
              }}
            />
          )}
        </li>
      ))}
    </ul>
  );
}
