import { speechOf, type Speech } from "../i18n/language.ts";
import ar from "../locales/ar.json";
import de from "../locales/de.json";
import en from "../locales/en.json";
import { Store } from "../store/Store.ts";

const sentences = { en, de, ar };

/** A language that is there at once, for tests and stories. */
export function speak(language: keyof typeof sentences): Store<Speech> {
  return new Store(speechOf(language, [language === "en" ? "en-GB" : language], sentences[language]));
}
