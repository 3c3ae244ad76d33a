import { type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { MediaBody } from "../../store/media.ts";
import { useApp } from "../context.ts";
import { Player } from "./Player.tsx";
import { useMedia } from "./useMedia.ts";

/** A voice message or a piece of sound. It is fetched when somebody wants to hear it. */
export function SoundView({ body }: { readonly body: MediaBody }): ReactNode {
  const { t } = useWords();
  const { homeserver } = useApp();
  const [asked, setAsked] = useState(false);
  const media = useMedia(body.source, asked);
  return (
    <Player
      label={body.kind === "voice" ? t("inbox.voice") : body.name}
      name={body.kind === "voice" ? undefined : body.name}
      url={media.state === "ready" ? media.url : undefined}
      state={!asked || media.state === "ready" ? "ready" : media.state}
      duration={body.duration}
      waveform={body.waveform}
      onWanted={() => {
        homeserver.retryMedia(body.source);
        setAsked(true);
      }}
    />
  );
}
