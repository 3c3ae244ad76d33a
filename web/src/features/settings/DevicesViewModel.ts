import type { App } from "../../store/App.ts";
import type { OwnDevice } from "../../store/Settings.ts";
import { Store, type Readable } from "../../store/Store.ts";

export interface DevicesSnapshot {
  readonly state: "loading" | "ready" | "failed";
  /** This one first, then the one that was there last. */
  readonly devices: readonly OwnDevice[];
  /** What is being done to which device. */
  readonly task: Task | undefined;
}

export interface Task {
  readonly kind: "rename" | "end";
  readonly device: OwnDevice;
  /** The new name, or the password. */
  readonly typed: string;
  readonly state: "open" | "busy" | "wrongPassword" | "failed";
}

/** Where somebody is signed in, and ending that elsewhere, which the server wants the password for. */
export class DevicesViewModel implements Readable<DevicesSnapshot> {
  readonly #app: App;
  readonly #now = new Store<DevicesSnapshot>({ state: "loading", devices: [], task: undefined });
  readonly subscribe = (listener: () => void): (() => void) => this.#now.subscribe(listener);

  constructor(app: App) {
    this.#app = app;
    void this.load();
  }

  get snapshot(): DevicesSnapshot {
    return this.#now.snapshot;
  }

  readonly load = async (): Promise<void> => {
    if (this.snapshot.state === "failed") this.#now.update((now) => ({ ...now, state: "loading" }));
    try {
      const devices = await this.#app.homeserver.settings.devices();
      const sorted = devices.toSorted((a, b) => Number(b.here) - Number(a.here) || (b.seen ?? 0) - (a.seen ?? 0));
      this.#now.update((now) => ({ ...now, state: "ready", devices: sorted }));
    } catch {
      this.#now.update((now) => ({ ...now, state: "failed" }));
    }
  };

  readonly begin = (kind: Task["kind"], device: OwnDevice): void => {
    this.#now.update((now) => ({ ...now, task: { kind, device, typed: kind === "rename" ? device.name : "", state: "open" } }));
  };

  readonly type = (typed: string): void => {
    this.#change({ typed, state: "open" });
  };

  readonly cancel = (): void => {
    this.#now.update((now) => ({ ...now, task: undefined }));
  };

  readonly finish = async (): Promise<void> => {
    const { task } = this.snapshot;
    if (task === undefined || task.state === "busy" || task.typed.trim() === "") return;
    this.#change({ state: "busy" });
    try {
      if (!(await this.#do(task))) {
        this.#change({ state: "wrongPassword", typed: "" });
        return;
      }
      this.cancel();
      await this.load();
    } catch {
      this.#change({ state: "failed" });
    }
  };

  async #do({ kind, device, typed }: Task): Promise<boolean> {
    const { settings } = this.#app.homeserver;
    if (kind === "end") return settings.endDevice(device.id, typed);
    await settings.renameDevice(device.id, typed.trim());
    return true;
  }

  #change(change: Partial<Task>): void {
    this.#now.update((now) => (now.task === undefined ? now : { ...now, task: { ...now.task, ...change } }));
  }
}
