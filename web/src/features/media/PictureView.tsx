import { type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { MediaBody } from "../../store/media.ts";
import { Icon } from "../../ui/Icon.tsx";
import { useApp } from "../context.ts";
import { Frame } from "./Frame.tsx";
import styles from "./MediaView.module.css";
import { useMedia } from "./useMedia.ts";
import { Viewer } from "./Viewer.tsx";

/** A picture, or the first picture of a film, small; opens large. */
export function PictureView({ body }: { readonly body: MediaBody }): ReactNode {
  const { t } = useWords();
  const { homeserver } = useApp();
  const [open, setOpen] = useState(false);
  const film = body.kind === "video";
  const label = film ? t("media.openVideo", { name: body.name }) : t("message.openPicture", { name: body.name });
  return (
    <>
      <button
        type="button"
        className={styles["open"]}
        aria-label={label}
        onClick={() => {
          for (const source of [body.thumbnail, body.source]) if (source !== undefined) homeserver.retryMedia(source);
          setOpen(true);
        }}
      >
        <Frame width={body.width} height={body.height} blurhash={body.blurhash}>
          <Small body={body} />
          {film && (
            <span className={styles["play"]}>
              <Icon name="play" size={26} />
            </span>
          )}
        </Frame>
      </button>
      {open && (
        <Viewer
          first={body}
          onClose={() => {
            setOpen(false);
          }}
        />
      )}
    </>
  );
}

/** The small picture of a picture or film; of a film without one nothing is fetched. */
export function Small({ body }: { readonly body: MediaBody }): ReactNode {
  const { t } = useWords();
  const media = useMedia(body.thumbnail ?? body.source, body.kind === "picture" || body.thumbnail !== undefined);
  if (media.state === "ready") return <img src={media.url} alt={t("message.picture", { name: body.name })} />;
  if (media.state === "failed") return <span className={styles["failed"]}>{t("message.pictureFailed")}</span>;
  return body.blurhash === undefined && body.kind === "picture" ? <Icon name="picture" size={28} /> : null;
}
