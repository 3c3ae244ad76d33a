import type { Draft, DraftKey, Drafts } from "../store/Drafts.ts";
import type { Vault } from "./vault.ts";

/** Held while drafts are written: each write goes on from what the tab before has written. */
const turn = "myelin-drafts";

/**
 * Keeps drafts in the vault, so that neither a reload nor a lock loses them. Every key is written at once, or as soon as
 * the write before it is done: a page that goes away does not wait for anything.
 */
export class KeptDrafts {
  readonly #drafts: Drafts;
  readonly #onWritten: () => void;
  #vault: Vault | undefined;
  /** What the vault holds, as far as this tab knows. */
  #kept = new Map<DraftKey, Draft>();
  #end: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** `onWritten` tells the other tabs. */
  constructor(drafts: Drafts, onWritten: () => void) {
    this.#drafts = drafts;
    this.#onWritten = onWritten;
  }

  async open(vault: Vault): Promise<void> {
    if (this.#vault === vault) return;
    this.close();
    this.#vault = vault;
    this.#kept = await read(vault);
    for (const [key, draft] of this.#kept) if (this.#drafts.get(key).text === "") this.#drafts.keep(key, draft);
    this.#end = this.#drafts.subscribe(() => {
      this.flush().catch(() => undefined); // the next key writes again
    });
  }

  /** Writes what is not written yet. */
  flush(): Promise<void> {
    const write = this.#writing.then(() => this.#write());
    this.#writing = write.catch(() => undefined);
    return write;
  }

  /** Another tab has written: takes over what nobody has changed here. */
  async refresh(): Promise<void> {
    const vault = this.#vault;
    if (vault === undefined) return;
    const all = await read(vault);
    const before = this.#kept;
    for (const key of new Set([...all.keys(), ...before.keys()])) {
      const draft = all.get(key);
      if (this.#drafts.snapshot.get(key) !== before.get(key) || JSON.stringify(draft) === JSON.stringify(before.get(key))) continue;
      if (draft === undefined) before.delete(key);
      else before.set(key, draft);
      this.#drafts.keep(key, draft ?? { text: "" });
    }
  }

  close(): void {
    this.#end?.();
    this.#vault = undefined;
  }

  async #write(): Promise<void> {
    const vault = this.#vault;
    const before = this.#kept;
    const changedIn = (now: ReadonlyMap<DraftKey, Draft>): DraftKey[] => [...new Set([...now.keys(), ...before.keys()])].filter((key) => now.get(key) !== before.get(key));
    if (vault === undefined || changedIn(this.#drafts.snapshot).length === 0) return;
    await navigator.locks.request(turn, async () => {
      const all = await read(vault);
      const now = this.#drafts.snapshot;
      for (const key of changedIn(now)) {
        const draft = now.get(key);
        if (draft === undefined) all.delete(key);
        else all.set(key, draft);
      }
      await vault.write("drafts", [...all], "relaxed");
      this.#kept = new Map(now);
    });
    this.#onWritten();
  }
}

async function read(vault: Vault): Promise<Map<DraftKey, Draft>> {
  return new Map(((await vault.read("drafts")) as [DraftKey, Draft][] | undefined) ?? []);
}
