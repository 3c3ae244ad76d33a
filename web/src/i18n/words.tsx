import { type ReactNode, useLayoutEffect, useMemo } from "react";
import { IntlProvider, useIntl, type IntlShape } from "react-intl";

import type { Readable } from "../store/Store.ts";
import { useSnapshot } from "../ui/useSnapshot.ts";
import type { Speech, Word } from "./language.ts";

export type { Word } from "./language.ts";

export type Values = Readonly<Record<string, string | number>>;

export interface Words {
  readonly t: (key: Word, values?: Values) => string;
  /** "14:02". */
  readonly time: (at: number) => string;
  /** "Today", "Yesterday", "Monday, 3 March". */
  readonly day: (at: number, now: number) => string;
  /** "3 November", of another year "3 November 2024", of today "14:02". */
  readonly date: (at: number, now: number) => string;
  /** As short as it can be without being vague: "14:02", "yesterday 22:40", "3 Mar 08:15", "3 Mar 2024 08:15". */
  readonly moment: (at: number, now: number) => string;
}

/** Speaks to the views inside in the present language, and tells the document which one it is. */
export function WordsProvider({ speech, children }: { readonly speech: Readable<Speech>; readonly children: ReactNode }): ReactNode {
  const { locale, tag, direction, sentences } = useSnapshot(speech);
  useLayoutEffect(() => {
    document.documentElement.lang = tag;
    document.documentElement.dir = direction;
  }, [tag, direction]);
  return (
    <IntlProvider locale={locale} defaultLocale="en" messages={sentences as Record<string, string>}>
      {children}
    </IntlProvider>
  );
}

export function useWords(): Words {
  const intl = useIntl();
  return useMemo(() => wordsOf(intl), [intl]);
}

function wordsOf(intl: IntlShape): Words {
  const rtl = intl.locale.startsWith("ar");
  const t = (key: Word, values: Values = {}): string =>
    intl.formatMessage({ id: key }, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, typeof value === "string" ? isolate(value, rtl) : value])));
  const time = (at: number): string => intl.formatDate(at, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return {
    t,
    time,
    day: (at, now) => {
      const ago = daysBetween(at, now);
      if (ago === 0) return t("day.today");
      if (ago === 1) return t("day.yesterday");
      return intl.formatDate(at, { weekday: "long", day: "numeric", month: "long", year: sameYear(at, now) ? undefined : "numeric" });
    },
    date: (at, now) => {
      if (daysBetween(at, now) === 0) return time(at);
      return intl.formatDate(at, { day: "numeric", month: "long", year: sameYear(at, now) ? undefined : "numeric" });
    },
    moment: (at, now) => {
      const ago = daysBetween(at, now);
      if (ago === 0) return time(at);
      if (ago === 1) return t("time.yesterday", { time: time(at) });
      return t("time.day", { day: intl.formatDate(at, { day: "numeric", month: "short", year: sameYear(at, now) ? undefined : "numeric" }), time: time(at) });
    },
  };
}

function sameYear(at: number, now: number): boolean {
  return new Date(at).getFullYear() === new Date(now).getFullYear();
}

const rightToLeft = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
const leftToRight = /[\p{L}\p{N}]/u;

/**
 * A name or text inside a sentence, kept from turning the words around it when it runs the other way (first strong
 * isolate, UAX 9). What runs with the sentence stays as it is.
 */
export function isolate(text: string, rtl: boolean): string {
  const turns = rtl ? leftToRight.test(text.replaceAll(new RegExp(rightToLeft, "gu"), "")) : rightToLeft.test(text);
  return turns ? `\u2068${text}\u2069` : text;
}

/** How many midnights lie between two times, in this device's time zone. */
export function daysBetween(at: number, now: number): number {
  const midnight = (ms: number): number => {
    const date = new Date(ms);
    return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  };
  return Math.round((midnight(now) - midnight(at)) / 86_400_000);
}
