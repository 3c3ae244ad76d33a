import { later } from "../later.ts";

// The list of conversations is what everything begins with; the other screens come after it.
export const RoomView = later(async () => (await import("../room/RoomView.tsx")).RoomView);
export const PeopleView = later(async () => (await import("../people/PeopleView.tsx")).PeopleView);
export const RoomsView = later(async () => (await import("../rooms/RoomsView.tsx")).RoomsView);
export const SearchView = later(async () => (await import("../search/SearchView.tsx")).SearchView);
export const MeView = later(async () => (await import("../me/MeView.tsx")).MeView);
export const SettingsView = later(async () => (await import("../settings/SettingsView.tsx")).SettingsView);
export const PaletteView = later(async () => (await import("../palette/PaletteView.tsx")).PaletteView);
export const ShortcutsView = later(async () => (await import("../palette/ShortcutsView.tsx")).ShortcutsView);

export const screens = [RoomView, PeopleView, RoomsView, SearchView, MeView, SettingsView, PaletteView, ShortcutsView];
