import type { Words } from "../../i18n/words.tsx";
import type { MediaKind } from "../../store/media.ts";

/** "340 kB", "2.4 MB". */
export function sizeOf(bytes: number, { t }: Words): string {
  if (bytes < 1_000_000) return t("media.kilobytes", { size: Math.max(1, Math.round(bytes / 1000)) });
  return t("media.megabytes", { size: Math.round(bytes / 100_000) / 10 });
}

/** "1:05", in Latin digits everywhere, as clocks on the ward show it. */
export function lengthOf(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return `${String(Math.floor(seconds / 60))}:${String(seconds % 60).padStart(2, "0")}`;
}

/** What a file is called for those who do not see it. */
export function describe(kind: MediaKind, name: string, { t }: Words): string {
  switch (kind) {
    case "picture":
      return t("message.picture", { name });
    case "video":
      return t("media.video", { name });
    case "audio":
      return t("media.audio", { name });
    case "voice":
      return t("inbox.voice");
    case "file":
      return t("media.file", { name });
  }
}
