import type { MessageFormatElement } from "@formatjs/icu-messageformat-parser";

import type en from "../locales/en.json";
import type { Preference } from "../store/Preferences.ts";
import { Store, type Readable } from "../store/Store.ts";
import type { Language } from "../store/model.ts";

/** The key of a sentence. A view model names keys, never sentences. */
export type Word = keyof typeof en;

/** Every language with its own name for itself, which is how somebody finds it who reads no other. */
export const languages: readonly { readonly language: Language; readonly name: string }[] = [
  { language: "en", name: "English" },
  { language: "de", name: "Deutsch" },
  { language: "ar", name: "العربية" },
  ...(import.meta.env.DEV ? [{ language: "pseudo" as const, name: "Ƥşḗŭḓǿ" }] : []),
];

/** A language as it is spoken now: its sentences, and how it writes. */
export interface Speech {
  readonly language: Language;
  /** What `lang` says. */
  readonly tag: string;
  /** For Intl: with the person's own region when it is one of this language. Digits are Latin everywhere, a dose must look the same to all. */
  readonly locale: string;
  readonly direction: "ltr" | "rtl";
  readonly sentences: Readonly<Record<Word, string>> | Readonly<Record<string, MessageFormatElement[]>>;
}

const loaders: Record<Language, () => Promise<{ readonly default: Speech["sentences"] }>> = {
  en: () => import("../locales/en.json"),
  de: () => import("../locales/de.json"),
  ar: () => import("../locales/ar.json"),
  pseudo: async () => ({ default: (await import("./pseudo.ts")).pseudo((await import("../locales/en.json")).default) }),
};

export async function fetchSentences(language: Language): Promise<Speech["sentences"]> {
  return (await loaders[language]()).default;
}

/** The language for somebody who chose one, or whose browser wishes for some, best first. */
export function languageOf(choice: Preference["language"], wished: readonly string[]): Language {
  if (choice !== "system") return choice;
  const spoken = wished.map((tag) => tag.split("-")[0]).find((code) => code === "en" || code === "de" || code === "ar");
  return spoken ?? "en";
}

export function speechOf(language: Language, wished: readonly string[], sentences: Speech["sentences"]): Speech {
  const code = language === "pseudo" ? "en" : language;
  const tag = wished.find((one) => one.split("-")[0] === code) ?? code;
  return { language, tag, locale: `${tag.split("-u-")[0] ?? code}-u-ca-gregory-nu-latn`, direction: language === "ar" ? "rtl" : "ltr", sentences };
}

/** What is spoken, kept in step with the person's choice. It changes once the new sentences are there. */
export async function followLanguage(preferences: Readable<Preference>, wished: readonly string[]): Promise<Readable<Speech>> {
  const chosen = (): Language => languageOf(preferences.snapshot.language, wished);
  const load = async (language: Language): Promise<Speech> => speechOf(language, wished, await fetchSentences(language));
  const speech = new Store(await load(chosen()));
  const change = async (): Promise<void> => {
    const language = chosen();
    if (language === speech.snapshot.language) return;
    const next = await load(language);
    if (chosen() === language) speech.set(next);
  };
  preferences.subscribe(() => {
    change().catch(() => undefined); // out of reach: the next start speaks it
  });
  return speech;
}
