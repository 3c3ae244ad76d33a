import type { Preference } from "../store/Preferences.ts";
import type { Readable } from "../store/Store.ts";

/** Puts the chosen look, or else the device's, on the document, where tokens.css finds it; and keeps it there. */
export function followAppearance(preferences: Readable<Preference>, page: Document): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const more = matchMedia("(prefers-contrast: more)");
  const apply = (): void => {
    const { theme, contrast, text } = preferences.snapshot;
    const { dataset } = page.documentElement;
    dataset["theme"] = theme === "system" ? (dark.matches ? "dark" : "light") : theme;
    dataset["contrast"] = contrast === "more" || more.matches ? "more" : "normal";
    dataset["text"] = text;
    // The browser's own bar has the colour of the app under it.
    const canvas = getComputedStyle(page.documentElement).getPropertyValue("--canvas").trim();
    for (const bar of page.querySelectorAll<HTMLMetaElement>("meta[name=theme-color]")) bar.content = canvas;
  };
  apply();
  dark.addEventListener("change", apply);
  more.addEventListener("change", apply);
  preferences.subscribe(apply);
}
