import type { Word } from "../../i18n/language.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** How long messages may be made to stay. */
export const durations: readonly number[] = [5 * minute, hour, 8 * hour, day, 7 * day, 30 * day, 90 * day];

/** "8 hours", "7 days". */
export function durationText(ms: number, t: (key: Word, values?: Readonly<Record<string, string | number>>) => string): string {
  if (ms >= day) return t("duration.days", { count: Math.round(ms / day) });
  if (ms >= hour) return t("duration.hours", { count: Math.round(ms / hour) });
  return t("duration.minutes", { count: Math.max(1, Math.round(ms / minute)) });
}
