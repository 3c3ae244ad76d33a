/**
 * One tab of a browser holds the session, since two would corrupt each other's crypto store. Another may take it over;
 * the one that loses it is told.
 */
export class TabLock {
  readonly #name: string;
  #release: (() => void) | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /** True when this tab holds the session now. `steal` takes it from the tab that has it. */
  take(steal: boolean, onLost: () => void): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const held = navigator.locks.request(this.#name, steal ? { steal: true } : { ifAvailable: true }, async (lock) => {
        if (lock === null) {
          resolve(false);
          return;
        }
        resolve(true);
        await new Promise<void>((release) => {
          this.#release = release;
        });
      });
      held.catch((fault: unknown) => {
        if (fault instanceof DOMException && fault.name === "AbortError") onLost();
        else reject(fault instanceof Error ? fault : new Error(String(fault)));
      });
    });
  }

  release(): void {
    this.#release?.();
    this.#release = undefined;
  }
}
