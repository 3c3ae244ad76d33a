import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { MediaBody } from "../../store/media.ts";
import type { MessageItem, RoomId, TimelineItem } from "../../store/model.ts";
import { Button } from "../../ui/Button.tsx";
import { Skeleton } from "../../ui/Skeleton.tsx";
import { useApp, useViewModel } from "../context.ts";
import { FileView, PictureView } from "../room/MediaView.tsx";
import { RoomStoreOf } from "../room/RoomStoreOf.ts";
import styles from "./PaneView.module.css";

type Kept = MessageItem & { readonly body: MediaBody };

/** Pictures and files of the messages that are loaded, the newest first. */
export function FilesPage({ room }: { readonly room: RoomId }): ReactNode {
  const { t } = useWords();
  const { homeserver } = useApp();
  const [, timeline] = useViewModel((app) => new RoomStoreOf(app, (server) => server.timeline(room)));
  if (timeline === undefined) return <Skeleton rows={4} label={t("pane.loading")} />;
  const found = timeline.items.filter(isKept).reverse();
  return (
    <>
      {found.length === 0 && <p className={styles["soft"]}>{t("files.none")}</p>}
      <ul className={styles["files"]} aria-label={t("pane.files")}>
        {found.map((item) => (
          <FileLine key={item.id} item={item} />
        ))}
      </ul>
      {timeline.history === "loading" && <p role="status">{t("room.loadingOlder")}</p>}
      {timeline.history === "failed" && <p role="alert">{t("room.olderFailed")}</p>}
      {(timeline.history === "more" || timeline.history === "failed") && (
        <Button wide onClick={() => void homeserver.loadOlder(room)}>
          {t("files.older")}
        </Button>
      )}
    </>
  );
}

function FileLine({ item }: { readonly item: Kept }): ReactNode {
  const { t, moment } = useWords();
  const { now } = useApp();
  return (
    <li>
      {item.body.kind === "picture" ? <PictureView body={item.body} /> : <FileView body={item.body} />}
      <p className={styles["soft"]}>{t("message.from", { name: item.sender.name, time: moment(item.at, now()) })}</p>
    </li>
  );
}

function isKept(item: TimelineItem): item is Kept {
  return item.kind === "message" && "source" in item.body;
}

/** What everybody here should find again. */
export function PinsPage(): ReactNode {
  const { t } = useWords();
  return <p className={styles["soft"]}>{t("pins.none")}</p>;
}
