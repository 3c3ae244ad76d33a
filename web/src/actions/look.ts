import type { Word } from "../i18n/language.ts";
import type { Preference } from "../store/Preferences.ts";
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

export const looks: readonly Action[] = [
  prefer("theme", "light", "action.lookLight", "sun"),
  prefer("theme", "dark", "action.lookDark", "moon"),
  prefer("theme", "system", "action.lookSystem", "device"),
  prefer("language", "en", "action.english", "language"),
  prefer("language", "de", "action.german", "language"),
  prefer("language", "ar", "action.arabic", "language"),
];
