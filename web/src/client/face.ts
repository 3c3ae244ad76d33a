import { Refusal } from "../store/Homeserver.ts";
import { Store, type Readable } from "../store/Store.ts";
import type { Tabs } from "./tabs.ts";

type Method<T, K extends keyof T> = T[K] extends (...args: infer A) => infer R ? (...args: A) => R : never;

/** The methods of T whose answer is of a kind. */
type Answering<T, Kind> = { [K in keyof T]: T[K] extends (...args: never[]) => infer R ? ([R] extends [Kind] ? K : never) : never }[keyof T] & string;

type Value<T, K extends keyof T> = NonNullable<ReturnType<Method<T, K>>> extends Readable<infer S> ? S : never;

/** For each method that answers with something to watch: what it shows before anything is known; undefined for nothing. */
export type Watched<T> = {
  readonly [K in Answering<T, Readable<unknown> | undefined>]: (...args: Parameters<Method<T, K>>) => Value<T, K> | undefined;
};

/** The methods that only hint at something: without anybody to hear them they are dropped. */
export type Hints<T> = Readonly<Record<Answering<T, void>, true>>;

/** What of T is no method, such as another object beside it: given as it is. A method given too stays in this tab. */
export type Parts<T> = { readonly [K in keyof T as T[K] extends (...args: never[]) => unknown ? never : K]: T[K] } & Partial<T>;

type OnWatch = (method: string, args: readonly unknown[], store: Store<unknown>) => void;

const patience = 10_000;

interface Watch {
  readonly method: string;
  readonly args: readonly unknown[];
  readonly store: Store<unknown>;
  end: (() => void) | undefined;
}

/**
 * Stands for an object that lives in this tab, in the leading one, or nowhere yet. Calls go to where it is, and wait a
 * while for it; what is watched goes on being the same store wherever its values come from.
 */
export class Face<T extends object> {
  /** What the screens hold. */
  readonly outside: T;
  readonly #name: string;
  readonly #watched: Readonly<Record<string, (...args: unknown[]) => unknown>>;
  readonly #hints: Readonly<Record<string, true>>;
  readonly #onWatch: OnWatch | undefined;
  readonly #watches = new Map<string, Watch>();
  readonly #waiting = new Set<() => void>();
  #source: { readonly here: T } | { readonly tabs: Tabs } | undefined;

  /** `onWatch` is told of each new thing that is watched. */
  constructor(name: string, watched: Watched<T>, hints: Hints<T>, parts: Parts<T>, onWatch?: OnWatch) {
    this.#name = name;
    this.#onWatch = onWatch;
    this.#watched = watched as never;
    this.#hints = hints as never;
    this.outside = new Proxy<object>(parts, {
      get: (own, key) => {
        if (typeof key !== "string" || key in own) return Reflect.get(own, key) as unknown;
        if (key in this.#watched) return (...args: unknown[]) => this.#watch(key, args);
        return (...args: unknown[]) => this.#call(key, args);
      },
    }) as T;
  }

  /** The object is here now, or in another tab, or nowhere. */
  switch(source: { readonly here: T } | { readonly tabs: Tabs } | undefined): void {
    this.#source = source;
    for (const watch of this.#watches.values()) this.#feed(watch, true);
    if (source === undefined) return;
    for (const go of [...this.#waiting]) go();
  }

  /** Looks again for what was not there when it was asked for. */
  lookAgain(): void {
    for (const watch of this.#watches.values()) if (watch.end === undefined) this.#feed(watch, false);
  }

  #watch(method: string, args: readonly unknown[]): Readable<unknown> | undefined {
    const key = `${method} ${JSON.stringify(args)}`;
    const known = this.#watches.get(key);
    if (known !== undefined) return known.store;
    const first = this.#watched[method]?.(...args);
    if (first === undefined) return undefined;
    const watch: Watch = { method, args, store: new Store(first), end: undefined };
    this.#watches.set(key, watch);
    this.#feed(watch, true);
    this.#onWatch?.(method, args, watch.store);
    return watch.store;
  }

  #feed(watch: Watch, anew: boolean): void {
    if (anew) {
      watch.end?.();
      watch.end = undefined;
    }
    const source = this.#source;
    if (source === undefined) return;
    if ("tabs" in source) {
      watch.end = source.tabs.watch(this.#name, watch.method, watch.args, (value) => {
        watch.store.set(value);
      });
      return;
    }
    const readable = this.#ask(source.here, watch.method, watch.args) as Readable<unknown> | undefined;
    if (readable === undefined) return;
    const take = (): void => {
      watch.store.set(readable.snapshot);
    };
    watch.end = readable.subscribe(take);
    take();
  }

  #call(method: string, args: readonly unknown[]): unknown {
    if (this.#source === undefined && method in this.#hints) return undefined;
    const answer = this.#there().then((source) => ("tabs" in source ? source.tabs.call(this.#name, method, args) : this.#ask(source.here, method, args)));
    answer.catch(() => undefined); // whoever does not wait for it does not want to know
    return answer;
  }

  #there(): Promise<{ readonly here: T } | { readonly tabs: Tabs }> {
    const now = this.#source;
    if (now !== undefined) return Promise.resolve(now);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(go);
        reject(new Refusal("unreachable", "not connected yet"));
      }, patience);
      const go = (): void => {
        if (this.#source === undefined) return;
        clearTimeout(timer);
        this.#waiting.delete(go);
        resolve(this.#source);
      };
      this.#waiting.add(go);
    });
  }

  #ask(here: T, method: string, args: readonly unknown[]): unknown {
    return Reflect.apply(Reflect.get(here, method) as (...args: unknown[]) => unknown, here, args);
  }
}
