/** What Idle needs of the world; a test gives its own. */
export interface IdleOptions {
  /** Milliseconds without anybody. */
  readonly limit: number;
  readonly now: () => number;
  readonly later: (ms: number, then: () => void) => () => void;
  readonly onIdle: () => void;
  /** Somebody is there, told at most every few seconds. */
  readonly onActive: () => void;
}

const tellEvery = 10_000;

/** Notices that nobody has touched the app for a while, in this tab or, told by `heard`, in another. */
export class Idle {
  readonly #options: IdleOptions;
  #last: number;
  #told = -Infinity;
  #cancel: (() => void) | undefined;

  constructor(options: IdleOptions) {
    this.#options = options;
    this.#last = options.now();
    this.#wait();
  }

  /** Somebody touched this tab. */
  readonly touched = (): void => {
    const now = this.#options.now();
    if (this.#over(now)) {
      this.check(); // the device slept: whoever touches it now may be somebody else
      return;
    }
    this.#last = now;
    if (now - this.#told < tellEvery) return;
    this.#told = now;
    this.#options.onActive();
  };

  /** Somebody touched another tab. */
  heard(): void {
    this.#last = this.#options.now();
  }

  /** Looks at the clock: timers do not run while a device sleeps. */
  readonly check = (): void => {
    if (!this.#over(this.#options.now())) return;
    this.stop();
    this.#options.onIdle();
  };

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #over(now: number): boolean {
    return now - this.#last >= this.#options.limit;
  }

  #wait(): void {
    const { limit, later, now } = this.#options;
    this.#cancel = later(Math.max(this.#last + limit - now(), 1_000), () => {
      this.check();
      if (this.#cancel !== undefined) this.#wait();
    });
  }
}
