import { Store } from "../store/Store.ts";
import type { Updates } from "../store/Updates.ts";

/** Nobody touches a hidden tab: after so long it changes over by itself. */
const hiddenFor = 60_000;
const lookEvery = 30 * 60_000;

/**
 * The service worker that lets the app open without a network, and the change to a new version. The new one waits until
 * somebody says so or nobody is looking; drafts and waiting messages are in the vault by then.
 */
export class BrowserUpdates implements Updates {
  readonly ready = new Store(false);
  readonly #keep: () => Promise<void>;
  #registration: ServiceWorkerRegistration | undefined;

  /** `keep` writes down what somebody has begun. */
  constructor(keep: () => Promise<void>) {
    this.#keep = keep;
  }

  /** Registers the worker; done late, since it fetches everything once. */
  async start(): Promise<void> {
    const { serviceWorker } = navigator as { serviceWorker?: ServiceWorkerContainer };
    if (serviceWorker === undefined) return; // plain http, or a browser's private window
    const first = serviceWorker.controller === null;
    let changed = false;
    serviceWorker.addEventListener("controllerchange", () => {
      if (first || changed) return;
      changed = true;
      void this.#keep().finally(() => {
        location.reload();
      });
    });
    const registration = await serviceWorker.register("/sw.js");
    this.#registration = registration;
    this.#watch(registration);
    registration.addEventListener("updatefound", () => {
      this.#watch(registration);
    });
    setInterval(() => void registration.update().catch(() => undefined), lookEvery); // without a network there is nothing new
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") setTimeout(this.#whenHidden, hiddenFor);
    });
  }

  apply(): void {
    this.#registration?.waiting?.postMessage("change over");
  }

  #watch(registration: ServiceWorkerRegistration): void {
    const tell = (): void => {
      this.ready.set(registration.waiting !== null && navigator.serviceWorker.controller !== null);
    };
    registration.installing?.addEventListener("statechange", tell);
    tell();
  }

  readonly #whenHidden = (): void => {
    if (document.visibilityState === "hidden" && this.ready.snapshot) this.apply();
  };
}
