import { type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Readable } from "../../store/Store.ts";
import type { MediaBody } from "../../store/media.ts";
import type { MessageItem, RoomId, Timeline } from "../../store/model.ts";
import { Button } from "../../ui/Button.tsx";
import { Empty } from "../../ui/Empty.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import { Blur } from "./Frame.tsx";
import { FileView } from "./MediaView.tsx";
import { Small } from "./PictureView.tsx";
import styles from "./RoomFilesView.module.css";
import { SoundView } from "./SoundView.tsx";
import { Viewer } from "./Viewer.tsx";

interface Filed {
  readonly item: MessageItem;
  readonly body: MediaBody;
}

/** Everything that was sent in a room besides words, newest first. */
export function RoomFilesView({ room }: { readonly room: RoomId }): ReactNode {
  const { homeserver } = useApp();
  const timeline = homeserver.timeline(room);
  return timeline === undefined ? null : <Files room={room} timeline={timeline} />;
}

function Files({ room, timeline }: { readonly room: RoomId; readonly timeline: Readable<Timeline> }): ReactNode {
  const { t, moment } = useWords();
  const { homeserver, now } = useApp();
  const { items, history } = useSnapshot(timeline);
  const [open, setOpen] = useState<MediaBody>();
  const filed = items.flatMap(filedOf).reverse();
  const seen = filed.filter(({ body }) => body.kind === "picture" || body.kind === "video");
  const rest = filed.filter((one) => !seen.includes(one));
  return (
    <div className={styles["files"]}>
      {filed.length === 0 && history !== "loading" && <Empty title={t("media.noneTitle")} text={t("media.noneText")} />}
      {seen.length > 0 && (
        <section aria-labelledby="files-seen">
          <h3 id="files-seen">{t("media.seen")}</h3>
          <ul className={styles["grid"]}>
            {seen.map(({ item, body }) => (
              <li key={item.id}>
                <button
                  type="button"
                  aria-label={body.kind === "video" ? t("media.openVideo", { name: body.name }) : t("message.openPicture", { name: body.name })}
                  onClick={() => {
                    setOpen(body);
                  }}
                >
                  {body.blurhash !== undefined && <Blur hash={body.blurhash} />}
                  <Small body={body} />
                  {body.kind === "video" && (
                    <span className={styles["film"]}>
                      <Icon name="play" size={18} />
                    </span>
                  )}
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      {rest.length > 0 && (
        <section aria-labelledby="files-rest">
          <h3 id="files-rest">{t("media.rest")}</h3>
          <ul className={styles["list"]}>
            {rest.map(({ item, body }) => (
              <li key={item.id}>
                {body.kind === "file" ? <FileView body={body} /> : <SoundView body={body} />}
                <p>{t("media.by", { name: item.sender.name, when: moment(item.at, now()) })}</p>
              </li>
            ))}
          </ul>
        </section>
      )}
      {history === "loading" && <p role="status">{t("room.loadingOlder")}</p>}
      {history === "failed" && <p role="alert">{t("room.olderFailed")}</p>}
      {(history === "more" || history === "failed") && (
        <Button wide onClick={() => void homeserver.messages.loadOlder(room, undefined)}>
          {t("media.older")}
        </Button>
      )}
      {open !== undefined && (
        <Viewer
          first={open}
          onClose={() => {
            setOpen(undefined);
          }}
        />
      )}
    </div>
  );
}

function filedOf(item: Timeline["items"][number]): Filed[] {
  if (item.kind !== "message") return [];
  const { body } = item;
  return "source" in body ? [{ item, body }] : [];
}
