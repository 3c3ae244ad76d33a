import type { Word } from "../i18n/language.ts";
import type { App } from "../store/App.ts";
import { textSizes, type Preference, type TextSize } from "../store/Preferences.ts";
import type { IconName } from "../ui/icons.ts";
import type { Action } from "./Action.ts";

/** Setting one preference; it is not offered while it is so already. */
function prefer<K extends keyof Preference>(name: K, value: Preference[K], label: Word, icon: IconName): Action {
  return {
    id: `prefer.${name}.${String(value)}`,
    label,
    icon,
    when: (app) => app.preferences.snapshot[name] !== value,
    run: (app) => {
      app.preferences.choose({ [name]: value });
    },
  };
}

/** The next size of text, larger or smaller. */
function resize(step: 1 | -1, id: string, label: Word): Action {
  const next = (app: App): TextSize | undefined => textSizes[textSizes.indexOf(app.preferences.snapshot.text) + step];
  return {
    id,
    label,
    icon: "textSize",
    when: (app) => next(app) !== undefined,
    run: (app) => {
      app.preferences.choose({ text: next(app) ?? "100" });
    },
  };
}

export const looks: readonly Action[] = [
  prefer("theme", "light", "action.lookLight", "sun"),
  prefer("theme", "dark", "action.lookDark", "moon"),
  prefer("theme", "system", "action.lookSystem", "device"),
  prefer("contrast", "more", "action.contrastMore", "contrast"),
  prefer("contrast", "system", "action.contrastSystem", "contrast"),
  resize(1, "text.larger", "action.textLarger"),
  resize(-1, "text.smaller", "action.textSmaller"),
  prefer("language", "en", "action.english", "language"),
  prefer("language", "de", "action.german", "language"),
  prefer("language", "ar", "action.arabic", "language"),
];
