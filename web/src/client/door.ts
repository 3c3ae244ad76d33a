import type { UnlockAnswer } from "../store/Account.ts";
import { answer, importRoot, kept, openDatabase, openUnder, sealUnder, withKeys, type Bytes, type Sealed, type Vault } from "./vault.ts";

/**
 * Locking and unlocking of the vault. The password somebody signed in with keeps a copy of the root key, under a key
 * made from it slowly; locking throws the root key itself away. Wrong tries are counted before they are made, so that
 * neither several tabs nor a reload give more of them.
 */

const iterations = 600_000; // PBKDF2 with SHA-256, about half a second on a phone
/** Seconds to wait after so many wrong tries; one more than the last forgets everything. */
const pauses = [0, 0, 0, 5, 15, 30, 60, 120, 300];

interface Copy extends Sealed {
  readonly salt: Bytes;
  readonly iterations: number;
}

interface Tries {
  readonly count: number;
  /** When the last one was made. */
  readonly at: number;
}

/** Lets the vault be locked from now on; this password opens it. */
export async function setPassword(vault: Vault, password: string, rounds = iterations): Promise<void> {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const bytes = await vault.rootBytes();
  const copy: Copy = { ...(await sealUnder(await slowKey(password, salt, rounds), kept.password, bytes)), salt, iterations: rounds };
  bytes.fill(0);
  await withKeys(vault.database, async (keys) => {
    await answer(keys.put(copy, kept.password));
  });
}

/** Throws the root key away. False when no password could bring it back: then nothing is done. */
export async function lock(factory: IDBFactory = indexedDB): Promise<boolean> {
  const database = await openDatabase(factory);
  try {
    return await withKeys(database, async (keys) => {
      if ((await answer(keys.count(kept.password))) === 0) return false;
      keys.delete(kept.root);
      return true;
    });
  } finally {
    database.close();
  }
}

/** One try to open the vault. After too many wrong ones the answer is `spent`: whoever asked forgets everything. */
export async function unlock(password: string, now: number, factory: IDBFactory = indexedDB): Promise<UnlockAnswer> {
  const database = await openDatabase(factory);
  try {
    const attempt = await withKeys(database, (keys) => begin(keys, now));
    if (attempt.answer !== undefined) return attempt.answer;
    const { copy, tries } = attempt;
    let bytes: Bytes;
    try {
      bytes = await openUnder(await slowKey(password, copy.salt, copy.iterations), kept.password, copy);
    } catch {
      return tries > pauses.length ? { kind: "spent" } : { kind: "wrong", wait: pauseAfter(tries), left: pauses.length + 1 - tries };
    }
    const root = await importRoot(bytes);
    bytes.fill(0);
    await withKeys(database, async (keys) => {
      keys.delete(kept.tries);
      keys.put(now, kept.active);
      await answer(keys.put(root, kept.root));
    });
    return { kind: "open" };
  } finally {
    database.close();
  }
}

/** Can the vault be locked, because a password opens it again? */
export async function lockable(vault: Vault): Promise<boolean> {
  return withKeys(vault.database, async (keys) => (await answer(keys.count(kept.password))) > 0);
}

/** Notes that somebody is there. */
export async function noteActive(vault: Vault, now: number): Promise<void> {
  await withKeys(vault.database, async (keys) => {
    await answer(keys.put(now, kept.active));
  });
}

/** When somebody was last there, in any tab. */
export async function lastActive(factory: IDBFactory = indexedDB): Promise<number | undefined> {
  const database = await openDatabase(factory);
  try {
    return await withKeys(database, async (keys) => (await answer(keys.get(kept.active))) as number | undefined);
  } finally {
    database.close();
  }
}

type Attempt = { readonly answer: UnlockAnswer } | { readonly answer?: undefined; readonly copy: Copy; readonly tries: number };

async function begin(keys: IDBObjectStore, now: number): Promise<Attempt> {
  const copy = (await answer(keys.get(kept.password))) as Copy | undefined;
  if (copy === undefined) return { answer: { kind: "spent" } };
  const before = ((await answer(keys.get(kept.tries))) as Tries | undefined) ?? { count: 0, at: 0 };
  if (before.count > pauses.length) return { answer: { kind: "spent" } };
  const wait = pauseAfter(before.count) - Math.max(0, now - before.at);
  if (wait > 0) return { answer: { kind: "wait", wait } };
  keys.put({ count: before.count + 1, at: now } satisfies Tries, kept.tries);
  return { copy, tries: before.count + 1 };
}

function pauseAfter(tries: number): number {
  return (pauses[Math.min(tries, pauses.length) - 1] ?? 0) * 1_000;
}

async function slowKey(password: string, salt: Bytes, rounds: number): Promise<CryptoKey> {
  const typed = await crypto.subtle.importKey("raw", new TextEncoder().encode(password.normalize("NFKC")), "PBKDF2", false, ["deriveKey"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: rounds };
  return crypto.subtle.deriveKey(how, typed, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}
