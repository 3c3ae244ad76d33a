import { Store, type Readable } from "./Store.ts";
import type { Language } from "./model.ts";

export type Theme = "system" | "light" | "dark";

/** Percent of the size that the browser is set to. */
export const textSizes = ["100", "125", "150", "200"] as const;
export type TextSize = (typeof textSizes)[number];

export interface Preference {
  readonly theme: Theme;
  /** `system` has more contrast when the device asks for it. */
  readonly contrast: "system" | "more";
  readonly text: TextSize;
  readonly language: "system" | Language;
  /** A sound when something new comes. */
  readonly sound: "on" | "off";
  /** A line outside the app when something new comes and nobody looks at it. */
  readonly outside: "off" | "on";
  /** Shortcuts of one key; somebody who speaks their words to the device may not want them (WCAG 2.1.4). */
  readonly singleKeys: "on" | "off";
}

/** The part of localStorage that is used; a test gives its own. */
export interface Memory {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

const choices: { readonly [K in keyof Preference]: readonly Preference[K][] } = {
  theme: ["system", "light", "dark"],
  contrast: ["system", "more"],
  text: textSizes,
  language: ["system", "en", "de", "ar", "pseudo"],
  sound: ["on", "off"],
  outside: ["off", "on"],
  singleKeys: ["on", "off"],
};

/** How somebody likes the app to look and speak, in this browser. Nothing here says who they are. */
export class Preferences implements Readable<Preference> {
  readonly #memory: Memory;
  readonly #now: Store<Preference>;

  constructor(memory: Memory) {
    this.#memory = memory;
    this.#now = new Store<Preference>(this.#all());
  }

  get snapshot(): Preference {
    return this.#now.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#now.subscribe(listener);

  choose(change: Partial<Preference>): void {
    for (const [name, value] of Object.entries(change)) this.#memory.setItem(`myelin.${name}`, value);
    this.#now.update((now) => ({ ...now, ...change }));
  }

  /** Something may have been chosen in another tab. */
  readonly reread = (): void => {
    const all = this.#all();
    if (JSON.stringify(all) !== JSON.stringify(this.snapshot)) this.#now.set(all);
  };

  #all(): Preference {
    return {
      theme: this.#kept("theme"),
      contrast: this.#kept("contrast"),
      text: this.#kept("text"),
      language: this.#kept("language"),
      sound: this.#kept("sound"),
      outside: this.#kept("outside"),
      singleKeys: this.#kept("singleKeys"),
    };
  }

  /** What was chosen before; the first of the choices when nothing was, or nothing that there is. */
  #kept<K extends keyof Preference>(name: K): Preference[K] {
    const kept = this.#memory.getItem(`myelin.${name}`);
    const known: readonly Preference[K][] = choices[name];
    return known.find((choice) => choice === kept) ?? (known[0] as Preference[K]);
  }
}
