/** Something whose present state can be read and whose changes can be heard. The snapshot is never changed in place. */
export interface Readable<S> {
  readonly snapshot: S;
  /** Calls `listener` after each change; the answer ends that. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** A value that changes, by whoever holds it. */
export class Store<S> implements Readable<S> {
  #snapshot: S;
  readonly #listeners = new Set<() => void>();

  constructor(first: S) {
    this.#snapshot = first;
  }

  get snapshot(): S {
    return this.#snapshot;
  }

  set(next: S): void {
    if (Object.is(next, this.#snapshot)) return;
    this.#snapshot = next;
    for (const listener of [...this.#listeners]) listener();
  }

  update(change: (now: S) => S): void {
    this.set(change(this.#snapshot));
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}

type Snapshots<T extends readonly Readable<unknown>[]> = { [I in keyof T]: T[I]["snapshot"] };

/** A value computed from others. It is computed when it is read and a source has changed, and listens only while heard. */
export class Derived<T extends readonly Readable<unknown>[], S> implements Readable<S> {
  readonly #sources: T;
  readonly #compute: (...snapshots: Snapshots<T>) => S;
  #seen: readonly unknown[] = [];
  #value: S | undefined;

  constructor(sources: readonly [...T], compute: (...snapshots: Snapshots<T>) => S) {
    this.#sources = sources as T;
    this.#compute = compute;
  }

  get snapshot(): S {
    const now = this.#sources.map((source) => source.snapshot);
    const same = this.#seen.length === now.length && now.every((value, i) => Object.is(value, this.#seen[i]));
    if (!same || this.#seen.length === 0) {
      this.#seen = now;
      this.#value = this.#compute(...(now as Snapshots<T>));
    }
    return this.#value as S;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    const ends = this.#sources.map((source) => source.subscribe(listener));
    return () => {
      for (const end of ends) end();
    };
  };
}
