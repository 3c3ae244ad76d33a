import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { MediaBody } from "../../store/media.ts";
import { IconButton } from "../../ui/Button.tsx";
import { Icon } from "../../ui/Icon.tsx";
import styles from "./MediaView.module.css";
import { PictureView } from "./PictureView.tsx";
import { SoundView } from "./SoundView.tsx";
import { useSaving } from "./useMedia.ts";
import { sizeOf } from "./words.ts";

/** What a message shows of its file, with what was written under it. */
export function MediaView({ body }: { readonly body: MediaBody }): ReactNode {
  return (
    <>
      <Shape body={body} />
      {body.caption !== "" && (
        <p className={styles["caption"]} dir="auto">
          {body.caption}
        </p>
      )}
    </>
  );
}

function Shape({ body }: { readonly body: MediaBody }): ReactNode {
  switch (body.kind) {
    case "picture":
    case "video":
      return <PictureView body={body} />;
    case "audio":
    case "voice":
      return <SoundView body={body} />;
    case "file":
      return <FileView body={body} />;
  }
}

/** A file by name, type and size. It is never opened here, only saved: nothing in it can run in the app's own name. */
export function FileView({ body }: { readonly body: MediaBody }): ReactNode {
  const words = useWords();
  const { t } = words;
  const { source, name } = body;
  const saving = useSaving(source, name);
  const ending = /\.([a-z0-9]{1,5})$/i.exec(name)?.[1]?.toUpperCase();
  const facts = [ending, source.size === undefined ? undefined : sizeOf(source.size, words)].flatMap((fact) => (fact === undefined ? [] : [isolated(fact)]));
  return (
    <div className={styles["file"]}>
      <span className={styles["sheet"]}>
        <Icon name="file" size={22} />
      </span>
      <div className={styles["facts"]}>
        <p dir="auto" title={name}>
          {name}
        </p>
        <p role={saving.state === "failed" ? "alert" : undefined}>
          {saving.state === "failed" ? t("media.failed") : saving.state === "loading" ? t("media.loading") : facts.join(" · ")}
        </p>
      </div>
      <IconButton icon="download" label={t("message.download", { name })} disabled={saving.state === "loading"} onClick={saving.save} />
    </div>
  );
}

/** Beside text of the other direction it stays a word of its own. */
function isolated(text: string): string {
  return `\u2068${text}\u2069`;
}
