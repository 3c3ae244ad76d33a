/**
 * What this browser keeps, sealed. A master key that WebCrypto will use but never hand out lives in IndexedDB; every
 * record is AES-256-GCM under it, bound to its name. Nothing is kept in clear and nothing in localStorage.
 */

const databaseName = "myelin";
const stores = { keys: "keys", records: "records", outbox: "outbox" } as const;
type StoreName = (typeof stores)[keyof typeof stores];

interface Sealed {
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly data: ArrayBuffer;
}

export class Vault {
  readonly #database: IDBDatabase;
  readonly #master: CryptoKey;

  private constructor(database: IDBDatabase, master: CryptoKey) {
    this.#database = database;
    this.#master = master;
  }

  /** Opens the vault, making its key when there is none. */
  static async open(factory: IDBFactory = indexedDB): Promise<Vault> {
    const database = await openDatabase(factory);
    const made = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    // One transaction decides: two pages that open at once end with one key.
    const transaction = database.transaction(stores.keys, "readwrite");
    const keys = transaction.objectStore(stores.keys);
    const kept = (await answer(keys.get("master"))) as CryptoKey | undefined;
    if (kept === undefined) keys.put(made, "master");
    await done(transaction);
    return new Vault(database, kept ?? made);
  }

  /** A sealed JSON value; undefined when there is none or it cannot be opened. */
  async read(name: string): Promise<unknown> {
    const plain = await this.#get(stores.records, name);
    return plain === undefined ? undefined : JSON.parse(new TextDecoder().decode(plain));
  }

  async write(name: string, value: unknown): Promise<void> {
    await this.#put(stores.records, name, new TextEncoder().encode(JSON.stringify(value)));
  }

  async readBytes(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#get(stores.records, name);
  }

  async writeBytes(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#put(stores.records, name, bytes);
  }

  async putOutbox(txn: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#put(stores.outbox, txn, bytes);
  }

  async removeOutbox(txn: string): Promise<void> {
    const transaction = this.#database.transaction(stores.outbox, "readwrite");
    transaction.objectStore(stores.outbox).delete(txn);
    await done(transaction);
  }

  /** All waiting messages that can still be opened. */
  async readOutbox(): Promise<Uint8Array<ArrayBuffer>[]> {
    const names = await answer(this.#database.transaction(stores.outbox).objectStore(stores.outbox).getAllKeys());
    const opened = await Promise.all(names.map((name) => this.#get(stores.outbox, String(name))));
    return opened.filter((bytes) => bytes !== undefined);
  }

  /** Forgets everything, the key first, so that what the disk still holds stays closed. */
  async destroy(): Promise<void> {
    const transaction = this.#database.transaction(Object.values(stores), "readwrite");
    for (const name of Object.values(stores)) transaction.objectStore(name).clear();
    await done(transaction);
    this.#database.close();
  }

  async #get(store: StoreName, name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const sealed = (await answer(this.#database.transaction(store).objectStore(store).get(name))) as Sealed | undefined;
    if (sealed === undefined) return undefined;
    try {
      return new Uint8Array(await crypto.subtle.decrypt(params(store, name, sealed.iv), this.#master, sealed.data));
    } catch {
      return undefined; // sealed by a key that is gone: as good as not there
    }
  }

  async #put(store: StoreName, name: string, plain: Uint8Array<ArrayBuffer>): Promise<void> {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const data = await crypto.subtle.encrypt(params(store, name, iv), this.#master, plain);
    const transaction = this.#database.transaction(store, "readwrite", { durability: "strict" });
    transaction.objectStore(store).put({ iv, data } satisfies Sealed, name);
    await done(transaction);
  }
}

function params(store: StoreName, name: string, iv: Uint8Array<ArrayBuffer>): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(`${store}/${name}`) };
}

function openDatabase(factory: IDBFactory): Promise<IDBDatabase> {
  const request = factory.open(databaseName, 1);
  request.onupgradeneeded = () => {
    for (const name of Object.values(stores)) request.result.createObjectStore(name);
  };
  return answer(request);
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
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
