/**
 * What this browser keeps, sealed. A root key that WebCrypto will use but never hand out lives in IndexedDB; every
 * record is AES-256-GCM under a key made from it, bound to its place, and the place's name is a keyed hash. Nothing is
 * kept in clear and nothing in localStorage. A locked vault has no root key: only the password's copy of it (door.ts).
 */

const databaseName = "myelin";
const keyStore = "keys";
const shelves = ["records", "outbox", "drafts", "sync", "search"] as const;
export type Shelf = (typeof shelves)[number];

/** The names in the key store. */
export const kept = { root: "root", own: "own", password: "password", tries: "tries", active: "active" } as const;

export interface Sealed {
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly data: ArrayBuffer;
}

/** What one transaction writes. */
export interface Batch {
  readonly put?: ReadonlyMap<string, Bytes>;
  /** Written only in the place of what is there. */
  readonly replace?: ReadonlyMap<string, Bytes>;
  readonly remove?: Iterable<string>;
  /** Asked when all is sealed: false when something newer is to be written instead. */
  readonly still?: () => boolean;
}

export type Bytes = Uint8Array<ArrayBuffer>;

export class VaultLocked extends Error {
  constructor() {
    super("the vault is locked");
    this.name = "VaultLocked";
  }
}

/** A page of an older version has the vault open and does not let go of it. */
export class VaultHeld extends Error {
  constructor() {
    super("another page holds the vault");
    this.name = "VaultHeld";
  }
}

export class Vault {
  readonly database: IDBDatabase;
  readonly #seal: CryptoKey;
  readonly #names: CryptoKey;

  private constructor(database: IDBDatabase, { seal, names }: Keys) {
    this.database = database;
    this.#seal = seal;
    this.#names = names;
  }

  /** Opens the vault, making its key when there is none. Rejected with VaultLocked while the password has to be given. */
  static async open(factory: IDBFactory = indexedDB): Promise<Vault> {
    const database = await openDatabase(factory);
    const fresh = await newRoot();
    // One transaction decides: two pages that open at once end with one key.
    const transaction = database.transaction(keyStore, "readwrite");
    const keys = transaction.objectStore(keyStore);
    const root = (await answer(keys.get(kept.root))) as CryptoKey | undefined;
    const locked = root === undefined && (await answer(keys.count(kept.password))) > 0;
    if (root === undefined && !locked) {
      keys.put(fresh.root, kept.root);
      keys.put(fresh.own, kept.own);
    }
    await done(transaction);
    if (locked) {
      database.close();
      throw new VaultLocked();
    }
    return new Vault(database, await keysOf(root ?? fresh.root));
  }

  /** A sealed JSON value; undefined when there is none or it cannot be opened. */
  async read(name: string): Promise<unknown> {
    const plain = await this.readBytes(name);
    return plain === undefined ? undefined : fromJson(plain);
  }

  /** `relaxed`: need not survive a loss of power from the first moment on. */
  async write(name: string, value: unknown, durability?: "relaxed"): Promise<void> {
    await this.change("records", { put: new Map([[name, toJson(value)]]) }, durability);
  }

  async readBytes(name: string, shelf: Shelf = "records"): Promise<Bytes | undefined> {
    const key = await this.#nameOf(shelf, name);
    const sealed = (await answer(this.database.transaction(shelf).objectStore(shelf).get(key))) as Sealed | undefined;
    return sealed === undefined ? undefined : this.#unseal(shelf, key, sealed);
  }

  /** Those of the records that are there and can be opened, by name. */
  async readMany(shelf: Shelf, names: Iterable<string>): Promise<Map<string, Bytes>> {
    const keys = await Promise.all([...names].map(async (name) => [name, await this.#nameOf(shelf, name)] as const));
    const store = this.database.transaction(shelf).objectStore(shelf);
    const found = await Promise.all(keys.map(async ([name, key]) => [name, key, (await answer(store.get(key))) as Sealed | undefined] as const));
    const opened = await Promise.all(found.map(async ([name, key, sealed]) => [name, sealed === undefined ? undefined : await this.#unseal(shelf, key, sealed)] as const));
    return new Map(opened.flatMap(([name, bytes]) => (bytes === undefined ? [] : [[name, bytes] as const])));
  }

  async writeBytes(name: string, bytes: Bytes): Promise<void> {
    await this.change("records", { put: new Map([[name, bytes]]) });
  }

  async remove(name: string): Promise<void> {
    await this.change("records", { remove: [name] });
  }

  /** Everything on a shelf that can still be opened, in no order. */
  async readAll(shelf: Shelf): Promise<Bytes[]> {
    const store = this.database.transaction(shelf).objectStore(shelf);
    const [names, sealed] = await Promise.all([answer(store.getAllKeys()), answer(store.getAll() as IDBRequest<Sealed[]>)]);
    const opened = await Promise.all(sealed.map((one, i) => this.#unseal(shelf, String(names[i]), one)));
    return opened.filter((bytes) => bytes !== undefined);
  }

  /** Writes and removes records of a shelf, all or none. */
  async change(shelf: Shelf, { put = new Map<string, Bytes>(), replace = new Map<string, Bytes>(), remove = [], still = () => true }: Batch, durability: IDBTransactionDurability = "strict"): Promise<void> {
    const [puts, replaces] = await Promise.all([this.#sealAll(shelf, put), this.#sealAll(shelf, replace)]);
    const removes = await Promise.all([...remove].map((name) => this.#nameOf(shelf, name)));
    if (!still()) return;
    const transaction = this.database.transaction(shelf, "readwrite", { durability });
    const store = transaction.objectStore(shelf);
    for (const [key, sealed] of puts) store.put(sealed, key);
    for (const key of removes) store.delete(key);
    for (const [key, sealed] of replaces) {
      const there = store.getKey(key);
      there.onsuccess = () => {
        if (there.result !== undefined) store.put(sealed, key);
      };
    }
    if (replaces.length === 0) transaction.commit(); // holds even if the page goes away now
    await done(transaction);
  }

  /** Empties a shelf. */
  async clear(shelf: Shelf): Promise<void> {
    const transaction = this.database.transaction(shelf, "readwrite");
    transaction.objectStore(shelf).clear();
    await done(transaction);
  }

  /** The root key's bytes, for the password to keep a copy of. Whoever calls it wipes them. */
  async rootBytes(): Promise<Bytes> {
    const own = (await answer(this.database.transaction(keyStore).objectStore(keyStore).get(kept.own))) as Sealed;
    return openUnder(this.#seal, kept.own, own);
  }

  /** Forgets everything, the keys with it, so that what the disk still holds stays closed. */
  async destroy(): Promise<void> {
    await clearAll(this.database);
    this.database.close();
  }

  close(): void {
    this.database.close();
  }

  #sealAll(shelf: Shelf, all: ReadonlyMap<string, Bytes>): Promise<readonly (readonly [string, Sealed])[]> {
    return Promise.all(
      [...all].map(async ([name, bytes]) => {
        const key = await this.#nameOf(shelf, name);
        return [key, await sealUnder(this.#seal, `${shelf}/${key}`, bytes)] as const;
      }),
    );
  }

  async #nameOf(shelf: Shelf, name: string): Promise<string> {
    const mac = await crypto.subtle.sign("HMAC", this.#names, new TextEncoder().encode(`${shelf}/${name}`));
    return btoa(String.fromCharCode(...new Uint8Array(mac, 0, 18)));
  }

  async #unseal(shelf: Shelf, key: string, sealed: Sealed): Promise<Bytes | undefined> {
    try {
      return await openUnder(this.#seal, `${shelf}/${key}`, sealed);
    } catch {
      return undefined; // sealed by a key that is gone: as good as not there
    }
  }
}

/** Forgets everything, also what is locked. */
export async function destroyVault(factory: IDBFactory = indexedDB): Promise<void> {
  const database = await openDatabase(factory);
  await clearAll(database);
  database.close();
}

async function clearAll(database: IDBDatabase): Promise<void> {
  const transaction = database.transaction([keyStore, ...shelves], "readwrite");
  for (const name of transaction.objectStoreNames) transaction.objectStore(name).clear();
  await done(transaction);
}

interface Keys {
  readonly seal: CryptoKey;
  readonly names: CryptoKey;
}

export function importRoot(bytes: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", bytes, "HKDF", false, ["deriveKey"]);
}

/** A new root key, and its bytes sealed under itself. */
async function newRoot(): Promise<{ root: CryptoKey; own: Sealed }> {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const root = await importRoot(bytes);
  const own = await sealUnder((await keysOf(root)).seal, kept.own, bytes);
  bytes.fill(0);
  return { root, own };
}

async function keysOf(root: CryptoKey): Promise<Keys> {
  const derive = (info: string, type: AesKeyGenParams | HmacKeyGenParams, usages: KeyUsage[]): Promise<CryptoKey> => {
    const from = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: new TextEncoder().encode(info) };
    return crypto.subtle.deriveKey(from, root, type, false, usages);
  };
  const seal = await derive("myelin records", { name: "AES-GCM", length: 256 }, ["encrypt", "decrypt"]);
  const names = await derive("myelin names", { name: "HMAC", hash: "SHA-256", length: 256 }, ["sign"]);
  return { seal, names };
}

/** Seals bytes so that they open only in the same place. */
export async function sealUnder(key: CryptoKey, place: string, plain: Bytes): Promise<Sealed> {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  return { iv, data: await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: new TextEncoder().encode(place) }, key, plain) };
}

export async function openUnder(key: CryptoKey, place: string, { iv, data }: Sealed): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData: new TextEncoder().encode(place) }, key, data));
}

export function toJson(value: unknown): Bytes {
  return new TextEncoder().encode(JSON.stringify(value));
}

export function fromJson(bytes: Bytes): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}

export async function openDatabase(factory: IDBFactory, outdated = reload): Promise<IDBDatabase> {
  const request = factory.open(databaseName, 4);
  request.onupgradeneeded = ({ oldVersion }) => {
    const { result } = request;
    if (oldVersion < 2) for (const name of [...result.objectStoreNames]) result.deleteObjectStore(name);
    for (const name of [keyStore, ...shelves]) if (!result.objectStoreNames.contains(name)) result.createObjectStore(name);
  };
  const held = new Promise<never>((_, reject) => {
    request.onblocked = () => {
      reject(new VaultHeld());
      request.onsuccess = () => {
        request.result.close(); // free at last, and nobody waits any more
      };
    };
  });
  const database = await Promise.race([answer(request), held]);
  database.onversionchange = ({ newVersion }) => {
    database.close(); // a newer version of the app wants it
    if (newVersion !== null) outdated();
  };
  return database;
}

/** Without the vault this page would go on deaf: the new one is of the newer version, or says what is wrong. */
function reload(): void {
  location.reload();
}

/** Reads and changes the key store in one transaction. */
export async function withKeys<T>(database: IDBDatabase, act: (keys: IDBObjectStore) => Promise<T>): Promise<T> {
  const transaction = database.transaction(keyStore, "readwrite", { durability: "strict" });
  const result = await act(transaction.objectStore(keyStore));
  await done(transaction);
  return result;
}

export function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(request.error ?? new Error("IndexedDB failed"));
    };
  });
}

function done(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => {
      resolve();
    };
    transaction.onabort = transaction.onerror = () => {
      reject(transaction.error ?? new Error("IndexedDB transaction failed"));
    };
  });
}
