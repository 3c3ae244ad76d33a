import type { Draft, DraftKey, Drafts } from "../store/Drafts.ts";
import type { Vault } from "./vault.ts";

const pause = 200;

/** Keeps drafts in the vault, so that neither a reload nor a lock loses them. */
export class KeptDrafts {
  readonly #drafts: Drafts;
  #vault: Vault | undefined;
  /** What the vault holds. */
  #kept = new Map<DraftKey, Draft>();
  #end: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(drafts: Drafts) {
    this.#drafts = drafts;
  }

  async open(vault: Vault): Promise<void> {
    if (this.#vault === vault) return;
    this.close();
    this.#vault = vault;
    this.#kept = await read(vault);
    for (const [key, draft] of this.#kept) if (this.#drafts.get(key).text === "") this.#drafts.keep(key, draft);
    this.#end = this.#drafts.subscribe(() => {
      this.#timer ??= setTimeout(() => {
        this.flush().catch(() => undefined); // the next key writes again
      }, pause);
    });
  }

  /** Writes what changed since the last time, beside what other tabs have written. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const vault = this.#vault;
    if (vault === undefined) return Promise.resolve();
    const now = new Map(this.#drafts.snapshot);
    const before = this.#kept;
    const changed = [...new Set([...now.keys(), ...before.keys()])].filter((key) => now.get(key) !== before.get(key));
    if (changed.length === 0) return this.#writing;
    this.#kept = now;
    const write = this.#writing.then(async () => {
      const all = await read(vault);
      for (const key of changed) {
        const draft = now.get(key);
        if (draft === undefined) all.delete(key);
        else all.set(key, draft);
      }
      await vault.write("drafts", [...all]);
    });
    this.#writing = write.catch(() => undefined);
    return write;
  }

  close(): void {
    this.#end?.();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#vault = undefined;
  }
}

async function read(vault: Vault): Promise<Map<DraftKey, Draft>> {
  return new Map(((await vault.read("drafts")) as [DraftKey, Draft][] | undefined) ?? []);
}
