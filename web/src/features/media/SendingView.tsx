import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { OutgoingMedia } from "../../store/media.ts";
import { IconButton } from "../../ui/Button.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import { Frame } from "./Frame.tsx";
import mediaStyles from "./MediaView.module.css";
import { Player } from "./Player.tsx";
import styles from "./SendingView.module.css";
import { useBlobUrl } from "./useMedia.ts";
import { describe, sizeOf } from "./words.ts";

export interface SendingProps {
  readonly txn: string;
  readonly media: OutgoingMedia;
  /** Why it was refused. */
  readonly fault: string | undefined;
}

/** A file of one's own that is on its way: it, how much of it is there, and the way to stop it. */
export function SendingView({ txn, media, fault }: SendingProps): ReactNode {
  const { t } = useWords();
  const { outbox, notices } = useApp();
  const part = useSnapshot(outbox.progress).get(txn);
  return (
    <>
      <Shape media={media} faint={fault === undefined} />
      {part !== undefined && (
        <div className={styles["progress"]}>
          <progress max={1} value={part} aria-label={t("media.uploading")} />
          <span>{t("media.percent", { part: Math.floor(part * 100) })}</span>
          <IconButton icon="close" label={t("media.cancel")} onClick={() => void notices.heed(outbox.discard(txn))} />
        </div>
      )}
      {fault === "tooLarge" && <p className={styles["fault"]}>{t("media.tooLarge")}</p>}
      {media.caption !== "" && (
        <p className={mediaStyles["caption"]} dir="auto">
          {media.caption}
        </p>
      )}
    </>
  );
}

function Shape({ media, faint }: { readonly media: OutgoingMedia; readonly faint: boolean }): ReactNode {
  const words = useWords();
  const { t } = words;
  const { as, name, blob } = media;
  const url = useBlobUrl(as === "picture" || as === "video" ? (media.thumbnail ?? blob) : blob);
  switch (as) {
    case "picture":
    case "video":
      return (
        <span className={faint ? styles["faint"] : undefined}>
          <Frame width={media.width} height={media.height} blurhash={media.blurhash}>
            {url !== undefined && (as === "picture" || media.thumbnail !== undefined) && <img src={url} alt={describe(as, name, words)} />}
          </Frame>
        </span>
      );
    case "audio":
    case "voice":
      return <Player label={as === "voice" ? t("inbox.voice") : name} name={as === "voice" ? undefined : name} url={url} state="ready" duration={media.duration} waveform={media.waveform} />;
    case "file":
      return (
        <div className={mediaStyles["file"]}>
          <span className={mediaStyles["sheet"]}>
            <Icon name="file" size={22} />
          </span>
          <div className={mediaStyles["facts"]}>
            <p dir="auto">{name}</p>
            <p>{sizeOf(blob.size, words)}</p>
          </div>
        </div>
      );
  }
}
