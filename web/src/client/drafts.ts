import type { Drafts } from "../store/Drafts.ts";
import type { RoomId } from "../store/model.ts";
import type { Vault } from "./vault.ts";

const pause = 500;

/** Keeps the words of drafts in the vault, so that neither a reload nor a lock loses them. */
export class KeptDrafts {
  readonly #drafts: Drafts;
  #vault: Vault | undefined;
  /** What the vault holds. */
  #kept = new Map<RoomId, string>();
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
    for (const [room, text] of this.#kept) {
      const now = this.#drafts.get(room);
      if (now.text === "") this.#drafts.keep(room, { ...now, text });
    }
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
    const now = new Map([...this.#drafts.snapshot].map(([room, { text }]) => [room, text] as const).filter(([, text]) => text !== ""));
    const before = this.#kept;
    const changed = [...new Set([...now.keys(), ...before.keys()])].filter((room) => now.get(room) !== before.get(room));
    if (changed.length === 0) return this.#writing;
    this.#kept = now;
    const write = this.#writing.then(async () => {
      const all = await read(vault);
      for (const room of changed) {
        const text = now.get(room);
        if (text === undefined) all.delete(room);
        else all.set(room, text);
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

async function read(vault: Vault): Promise<Map<RoomId, string>> {
  return new Map(((await vault.read("drafts")) as [RoomId, string][] | undefined) ?? []);
}
