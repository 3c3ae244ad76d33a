import { type CSSProperties, type ReactNode, useEffect, useMemo, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { MediaBody, MediaSource, MediaState } from "../../store/media.ts";
import { Button, IconButton } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import styles from "./MediaView.module.css";

function useMedia(source: MediaSource): MediaState {
  const { homeserver } = useApp();
  return useSnapshot(homeserver.media(source));
}

/** Keeps the place of a picture from the first moment, so that nothing moves when it comes. */
function place(width: number, height: number): CSSProperties {
  const known = width > 0 && height > 0;
  const shown = known ? Math.min(320, width, (360 * width) / height) : 240;
  return { width: `${String(Math.max(96, Math.round(shown)))}px`, aspectRatio: known ? `${String(width)} / ${String(height)}` : "4 / 3" };
}

export function PictureView({ body }: { readonly body: MediaBody }): ReactNode {
  const { t } = useWords();
  const [open, setOpen] = useState(false);
  const media = useMedia(body.thumbnail ?? body.source);
  return (
    <>
      <button
        type="button"
        className={styles["picture"]}
        style={place(body.width, body.height)}
        aria-label={t("message.openPicture", { name: body.name })}
        onClick={() => {
          setOpen(true);
        }}
      >
        {media.state === "ready" && <img src={media.url} alt={t("message.picture", { name: body.name })} />}
        {media.state === "loading" && <Icon name="picture" size={28} />}
        {media.state === "failed" && <span>{t("message.pictureFailed")}</span>}
      </button>
      {open && (
        <Lightbox
          body={body}
          onClose={() => {
            setOpen(false);
          }}
        />
      )}
    </>
  );
}

function Lightbox({ body, onClose }: { readonly body: MediaBody; readonly onClose: () => void }): ReactNode {
  const { t } = useWords();
  const media = useMedia(body.source);
  return (
    <Dialog title={t("message.picture", { name: body.name })} onClose={onClose} look="full">
      <div className={styles["lightbox"]}>
        <span className={styles["close"]}>
          <IconButton icon="close" label={t("readers.close")} look="raised" onClick={onClose} autoFocus />
        </span>
        {media.state === "ready" && <img src={media.url} alt={t("message.picture", { name: body.name })} />}
        {media.state === "loading" && <p role="status">{t("message.pictureLoading")}</p>}
        {media.state === "failed" && <p role="alert">{t("message.pictureFailed")}</p>}
      </div>
    </Dialog>
  );
}

/** A picture of one's own that is on its way. */
export function SendingPicture({ picture, name, width, height }: { readonly picture: Blob; readonly name: string; readonly width: number; readonly height: number }): ReactNode {
  const { t } = useWords();
  const url = useBlobUrl(picture);
  return (
    <span className={`${styles["picture"] ?? ""} ${styles["sending"] ?? ""}`} style={place(width, height)}>
      {url !== undefined && <img src={url} alt={t("message.picture", { name })} />}
    </span>
  );
}

/** An address for a blob as long as it is shown. */
export function useBlobUrl(blob: Blob | undefined): string | undefined {
  const url = useMemo(() => (blob === undefined ? undefined : URL.createObjectURL(blob)), [blob]);
  useEffect(
    () => () => {
      if (url !== undefined) URL.revokeObjectURL(url);
    },
    [url],
  );
  return url;
}

export function FileView({ body }: { readonly body: MediaBody }): ReactNode {
  const [asked, setAsked] = useState(false);
  const { t } = useWords();
  if (asked) return <Download body={body} />;
  return (
    <Button
      look="quiet"
      icon="file"
      onClick={() => {
        setAsked(true);
      }}
    >
      {t("message.download", { name: body.name })}
    </Button>
  );
}

function Download({ body }: { readonly body: MediaBody }): ReactNode {
  const { t } = useWords();
  const media = useMedia(body.source);
  const size = body.source.size;
  return (
    <p className={styles["file"]}>
      <Icon name="download" size={18} />
      {media.state === "ready" ? (
        <a href={media.url} download={body.name}>
          {body.name}
        </a>
      ) : (
        <span>{body.name}</span>
      )}
      {size !== undefined && <span>{t("message.size", { size: Math.ceil(size / 1024) })}</span>}
      {media.state === "failed" && <span role="alert">{t("message.pictureFailed")}</span>}
    </p>
  );
}
