import { Store, type Readable } from "./Store.ts";

export type Theme = "system" | "light" | "dark";

export interface Preference {
  readonly theme: Theme;
}

/** The part of localStorage that is used; a test gives its own. */
export interface Memory {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

const themeName = "myelin.theme";

/** How somebody likes the app to look, in this browser. Nothing here says who they are. */
export class Preferences implements Readable<Preference> {
  readonly #memory: Memory;
  readonly #now: Store<Preference>;

  constructor(memory: Memory) {
    this.#memory = memory;
    const theme = memory.getItem(themeName);
    this.#now = new Store<Preference>({ theme: theme === "light" || theme === "dark" ? theme : "system" });
  }

  get snapshot(): Preference {
    return this.#now.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#now.subscribe(listener);

  choose(theme: Theme): void {
    this.#memory.setItem(themeName, theme);
    this.#now.set({ theme });
  }
}
