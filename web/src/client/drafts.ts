import type { Draft, DraftKey, Drafts } from "../store/Drafts.ts";
import { fromJson, toJson, type Vault } from "./vault.ts";

/**
 * Keeps drafts in the vault, so that neither a reload nor a lock loses them: each is a record of its own. Every key is
 * sealed and written at once and waits for nothing before it, since a page that goes away does not wait either.
 */
export class KeptDrafts {
  readonly #drafts: Drafts;
  readonly #onWritten: () => void;
  #vault: Vault | undefined;
  /** What the vault holds or is being given, as far as this tab knows. */
  #kept = new Map<DraftKey, Draft>();
  readonly #writing = new Map<DraftKey, Promise<void>>();
  #end: (() => void) | undefined;

  /** `onWritten` tells the other tabs. */
  constructor(drafts: Drafts, onWritten: () => void) {
    this.#drafts = drafts;
    this.#onWritten = onWritten;
  }

  async open(vault: Vault): Promise<void> {
    if (this.#vault === vault) return;
    this.close();
    this.#vault = vault;
    await takeApart(vault);
    this.#kept = await read(vault);
    for (const [key, draft] of this.#kept) if (this.#drafts.get(key).text === "") this.#drafts.keep(key, draft);
    this.#end = this.#drafts.subscribe(() => {
      this.flush().catch(() => undefined); // the next key writes again
    });
  }

  /** Writes what is not written yet. */
  async flush(): Promise<void> {
    const now = this.#drafts.snapshot;
    for (const key of new Set([...now.keys(), ...this.#kept.keys()])) {
      if (this.#vault !== undefined && now.get(key) !== this.#kept.get(key)) this.#begin(this.#vault, key, now.get(key));
    }
    await Promise.all(this.#writing.values());
  }

  /** Another tab has written: takes over what nobody has changed here. */
  async refresh(): Promise<void> {
    const vault = this.#vault;
    if (vault === undefined) return;
    const before = new Map(this.#kept);
    const own = new Set(this.#writing.keys());
    const all = await read(vault);
    for (const key of new Set([...all.keys(), ...before.keys()])) {
      const draft = all.get(key);
      if (own.has(key) || this.#drafts.snapshot.get(key) !== before.get(key) || JSON.stringify(draft) === JSON.stringify(before.get(key))) continue;
      this.#note(key, draft);
      this.#drafts.keep(key, draft ?? { text: "" });
    }
  }

  close(): void {
    this.#end?.();
    this.#vault = undefined;
  }

  /** Whoever comes next finds nothing of it, neither here nor in a vault of their own. */
  forget(): void {
    this.close();
    this.#kept.clear();
    this.#drafts.clear();
  }

  #begin(vault: Vault, key: DraftKey, draft: Draft | undefined): void {
    this.#note(key, draft);
    const written = this.#write(vault, key, draft);
    this.#writing.set(key, written);
    const end = (): void => {
      if (this.#writing.get(key) === written) this.#writing.delete(key);
    };
    written.then(end, () => {
      end();
      if (this.#kept.get(key) === draft) this.#kept.set(key, { text: "" }); // what is there is another one
    });
  }

  async #write(vault: Vault, key: DraftKey, draft: Draft | undefined): Promise<void> {
    const still = (): boolean => this.#kept.get(key) === draft;
    await vault.change("drafts", draft === undefined ? { remove: [key], still } : { put: new Map([[key, toJson([key, draft])]]), still }, "relaxed");
    this.#onWritten();
  }

  #note(key: DraftKey, draft: Draft | undefined): void {
    if (draft === undefined) this.#kept.delete(key);
    else this.#kept.set(key, draft);
  }
}

/** All drafts were one record once. */
async function takeApart(vault: Vault): Promise<void> {
  const old = (await vault.read("drafts")) as readonly [DraftKey, Draft][] | undefined;
  if (old === undefined) return;
  const there = await read(vault);
  await vault.change("drafts", { put: new Map(old.filter(([key]) => !there.has(key)).map((one) => [one[0], toJson(one)])) });
  await vault.remove("drafts");
}

async function read(vault: Vault): Promise<Map<DraftKey, Draft>> {
  return new Map((await vault.readAll("drafts")).map((record) => fromJson(record) as [DraftKey, Draft]));
}
