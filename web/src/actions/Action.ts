import type { Word } from "../i18n/language.ts";
import type { App } from "../store/App.ts";
import type { IconName } from "../ui/icons.ts";
import type { Shortcut } from "./shortcut.ts";

/**
 * A command, written once: buttons, shortcuts, menus and the command palette all use this object. `T` is what it is done
 * to, such as a message; without one it is done to the app as it stands.
 */
export interface Action<T = void> {
  readonly id: string;
  readonly label: Word;
  readonly icon: IconName;
  /** The first one is shown where there is room for one. */
  readonly shortcuts?: readonly Shortcut[];
  /** What cannot be taken back is drawn so. */
  readonly danger?: boolean;
  /** Whether there is something to do it to, and whether the person may. Without it, always. */
  readonly when?: (app: App, target: T) => boolean;
  readonly run: (app: App, target: T) => Promise<void> | void;
}

export function can<T>(app: App, action: Action<T>, target: T): boolean {
  return action.when?.(app, target) ?? true;
}

/** Does it, if it can be done now. When it does not work and the action itself does not say so, the person is told. */
export async function perform<T>(app: App, action: Action<T>, target: T): Promise<void> {
  if (!can(app, action, target)) return;
  try {
    await action.run(app, target);
  } catch {
    app.notices.tell("failed");
  }
}
