import { useEffect, useMemo, useState } from "react";

import { Store, type Readable } from "../../store/Store.ts";
import type { MediaSource, MediaState } from "../../store/media.ts";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";

const nothing: Readable<MediaState> = new Store<MediaState>({ state: "loading" });

/** A file, fetched and opened as long as this is shown; with `wanted` false not yet. */
export function useMedia(source: MediaSource, wanted = true): MediaState {
  const { homeserver } = useApp();
  return useSnapshot(wanted ? homeserver.media(source) : nothing);
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

export interface Saving {
  readonly state: "no" | "loading" | "failed";
  readonly save: () => void;
}

/** Fetches, opens and saves a file under its own name when asked to. */
export function useSaving(source: MediaSource, name: string): Saving {
  const { homeserver } = useApp();
  const [state, setState] = useState<Saving["state"]>("no");
  const save = async (): Promise<void> => {
    homeserver.retryMedia(source);
    setState("loading");
    const saved = await whenSettled(homeserver.media(source), (media) => {
      if (media.state !== "ready") return false;
      const link = document.createElement("a");
      link.href = media.url;
      link.download = name;
      link.click();
      return true;
    });
    setState(saved ? "no" : "failed");
  };
  return { state, save: () => void save() };
}

/** Listens until a file is there or cannot be had, and hands it over while its address still holds. */
function whenSettled<T>(media: Readable<MediaState>, then: (settled: MediaState) => T): Promise<T> {
  return new Promise((resolve) => {
    let end: (() => void) | undefined;
    const look = (): void => {
      if (media.snapshot.state === "loading") return;
      resolve(then(media.snapshot));
      end?.();
      end = undefined;
    };
    end = media.subscribe(look);
    look();
  });
}
