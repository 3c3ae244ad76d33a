import { type ReactNode, useMemo } from "react";
import { IntlProvider, useIntl, type IntlShape } from "react-intl";

import en from "../locales/en.json";

/** The key of a sentence. A view model names keys, never sentences. */
export type Word = keyof typeof en;

export type Values = Readonly<Record<string, string | number>>;

export interface Words {
  readonly t: (key: Word, values?: Values) => string;
  /** "14:02". */
  readonly time: (at: number) => string;
  /** "Today", "Yesterday", "Monday, 3 March". */
  readonly day: (at: number, now: number) => string;
  /** As short as it can be without being vague: "14:02", "yesterday 22:40", "3 Mar 08:15". */
  readonly moment: (at: number, now: number) => string;
}

export function WordsProvider({ children }: { readonly children: ReactNode }): ReactNode {
  return (
    <IntlProvider locale={navigator.language.startsWith("en") ? navigator.language : "en"} defaultLocale="en" messages={en}>
      {children}
    </IntlProvider>
  );
}

export function useWords(): Words {
  const intl = useIntl();
  return useMemo(() => wordsOf(intl), [intl]);
}

function wordsOf(intl: IntlShape): Words {
  const t = (key: Word, values?: Values): string => intl.formatMessage({ id: key }, { ...values });
  const time = (at: number): string => intl.formatDate(at, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return {
    t,
    time,
    day: (at, now) => {
      const ago = daysBetween(at, now);
      if (ago === 0) return t("day.today");
      if (ago === 1) return t("day.yesterday");
      const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
      return intl.formatDate(at, { weekday: "long", day: "numeric", month: "long", year: sameYear ? undefined : "numeric" });
    },
    moment: (at, now) => {
      const ago = daysBetween(at, now);
      if (ago === 0) return time(at);
      if (ago === 1) return t("time.yesterday", { time: time(at) });
      return t("time.day", { day: intl.formatDate(at, { day: "numeric", month: "short" }), time: time(at) });
    },
  };
}

/** How many midnights lie between two times, in this device's time zone. */
export function daysBetween(at: number, now: number): number {
  const midnight = (ms: number): number => {
    const date = new Date(ms);
    return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  };
  return Math.round((midnight(now) - midnight(at)) / 86_400_000);
}
