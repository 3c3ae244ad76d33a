import type { Word } from "../../i18n/language.ts";
import type { Section } from "../../store/Route.ts";
import type { IconName } from "../../ui/icons.ts";

/** What there is to set, in the order of the list. */
export const sections: Readonly<Record<Section, { readonly word: Word; readonly icon: IconName }>> = {
  profile: { word: "settings.profile", icon: "person" },
  appearance: { word: "settings.appearance", icon: "sun" },
  notifications: { word: "settings.notifications", icon: "bell" },
  devices: { word: "settings.devices", icon: "device" },
  about: { word: "settings.about", icon: "help" },
};
