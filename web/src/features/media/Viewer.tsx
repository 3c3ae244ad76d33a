import { type KeyboardEvent, type ReactNode, useRef, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { MediaBody } from "../../store/media.ts";
import { IconButton } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { useApp } from "../context.ts";
import { useMedia, useSaving } from "./useMedia.ts";
import styles from "./Viewer.module.css";
import { describe } from "./words.ts";

export interface ViewerProps {
  readonly first: MediaBody;
  readonly onClose: () => void;
}

const most = 8;

/** Pictures and films of the open conversation, one at a time, over the whole window. */
export function Viewer({ first, onClose }: ViewerProps): ReactNode {
  const words = useWords();
  const { t } = words;
  const { homeserver, route } = useApp();
  const [all] = useState(() => {
    const place = route.snapshot;
    const items = place.at === "room" ? (homeserver.timeline(place.room)?.snapshot.items ?? []) : [];
    const bodies = items.flatMap((item) => (item.kind === "message" && (item.body.kind === "picture" || item.body.kind === "video") ? [item.body] : []));
    return bodies.some((body) => body.source.url === first.source.url) ? bodies : [first];
  });
  const [at, setAt] = useState(() => all.findIndex((body) => body.source.url === first.source.url));
  const [zoom, setZoom] = useState(1);
  const body = all[at] ?? first;
  const { save, state } = useSaving(body.source, body.name);

  const step = (by: 1 | -1): void => {
    if (all[at + by] === undefined) return;
    setAt(at + by);
    setZoom(1);
  };
  const enlarge = (by: number): void => {
    setZoom((now) => Math.max(1, Math.min(most, now * by)));
  };
  const press = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLVideoElement) return;
    const along = getComputedStyle(event.currentTarget).direction === "rtl" ? -1 : 1;
    if (event.key === "+" || event.key === "=") enlarge(1.5);
    else if (event.key === "-") enlarge(1 / 1.5);
    else if (event.key === "0") setZoom(1);
    else if (zoom === 1 && event.key === "ArrowRight") step(along === 1 ? 1 : -1);
    else if (zoom === 1 && event.key === "ArrowLeft") step(along === 1 ? -1 : 1);
    else return;
    event.preventDefault();
  };
  const title = describe(body.kind, body.name, words);
  return (
    <Dialog title={title} onClose={onClose} look="full">
      <div className={styles["viewer"]} onKeyDown={press}>
        <header>
          <p dir="auto" aria-live="polite">
            <span>{body.name}</span>
            {all.length > 1 && <span className={styles["count"]}>{t("media.place", { at: at + 1, count: all.length })}</span>}
          </p>
          {body.kind === "picture" && (
            <>
              <IconButton
                icon="zoomOut"
                label={t("media.zoomOut")}
                disabled={zoom === 1}
                onClick={() => {
                  enlarge(1 / 1.5);
                }}
              />
              <IconButton
                icon="zoomIn"
                label={t("media.zoomIn")}
                disabled={zoom === most}
                onClick={() => {
                  enlarge(1.5);
                }}
              />
            </>
          )}
          <IconButton icon="download" label={t("message.download", { name: body.name })} disabled={state === "loading"} onClick={save} />
          <IconButton icon="close" label={t("readers.close")} onClick={onClose} autoFocus />
        </header>
        <Large key={body.source.url} body={body} zoom={zoom} onZoom={setZoom} />
        {body.caption !== "" && (
          <p className={styles["caption"]} dir="auto">
            {body.caption}
          </p>
        )}
        {all.length > 1 && (
          <nav aria-label={t("media.others")}>
            <IconButton
              icon="back"
              label={t("media.previous")}
              disabled={at === 0}
              onClick={() => {
                step(-1);
              }}
            />
            <IconButton
              icon="chevron"
              label={t("media.next")}
              disabled={at === all.length - 1}
              onClick={() => {
                step(1);
              }}
            />
          </nav>
        )}
      </div>
    </Dialog>
  );
}

interface LargeProps {
  readonly body: MediaBody;
  readonly zoom: number;
  readonly onZoom: (zoom: number) => void;
}

function Large({ body, zoom, onZoom }: LargeProps): ReactNode {
  const words = useWords();
  const { t } = words;
  const area = useRef<HTMLDivElement>(null);
  const media = useMedia(body.source);
  if (media.state === "loading") {
    return (
      <p className={styles["note"]} role="status">
        {t("media.loading")}
      </p>
    );
  }
  if (media.state === "failed") {
    return (
      <p className={styles["note"]} role="alert">
        {t("media.failed")}
      </p>
    );
  }
  if (body.kind === "video") {
    return (
      <div className={styles["area"]}>
        <video src={media.url} controls autoPlay playsInline aria-label={describe(body.kind, body.name, words)} />
      </div>
    );
  }
  return (
    <div
      ref={area}
      className={styles["area"]}
      data-zoomed={zoom > 1}
      tabIndex={zoom > 1 ? 0 : -1}
      role="group"
      aria-label={t("media.zoomed", { percent: Math.round(zoom * 100) })}
      onWheel={(event) => {
        if (event.ctrlKey) onZoom(Math.max(1, Math.min(most, zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2))));
      }}
      onDoubleClick={() => {
        onZoom(zoom > 1 ? 1 : 2.5);
      }}
    >
      <img src={media.url} alt={describe(body.kind, body.name, words)} style={zoom > 1 ? { width: `${String(zoom * 100)}%`, maxWidth: "none", maxHeight: "none" } : undefined} />
    </div>
  );
}
