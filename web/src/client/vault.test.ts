import { IDBFactory } from "fake-indexeddb";
import { beforeEach, describe, expect, it, vi } from "vitest";

import type { OutboxEntry } from "../store/model.ts";
import { SealedShelf } from "./shelf.ts";
import { openDatabase, Vault, VaultHeld } from "./vault.ts";

let factory: IDBFactory;
beforeEach(() => {
  factory = new IDBFactory();
});

/** Everything the database holds, as the disk would. */
async function raw(): Promise<unknown[]> {
  const database = await new Promise<IDBDatabase>((resolve) => {
    const request = factory.open("myelin");
    request.onsuccess = () => {
      resolve(request.result);
    };
  });
  const found: unknown[] = [];
  for (const name of database.objectStoreNames) {
    await new Promise<void>((resolve) => {
      const request = database.transaction(name).objectStore(name).getAll();
      request.onsuccess = () => {
        found.push(...(request.result as unknown[]));
        resolve();
      };
    });
  }
  database.close();
  return found;
}

const text: OutboxEntry = { txn: "t1", room: "!r", at: 2, content: { kind: "text", text: "secret words" }, state: "waiting", event: undefined };
const picture: OutboxEntry = {
  txn: "t2",
  room: "!r",
  at: 1,
  state: "failed",
  event: undefined,
  content: {
    kind: "media",
    as: "picture",
    name: "ecg.png",
    caption: "bed 12",
    blob: new Blob(["large secret"], { type: "image/png" }),
    thumbnail: new Blob(["small"], { type: "image/jpeg" }),
    width: 4,
    height: 3,
    duration: undefined,
    waveform: [],
    blurhash: undefined,
    thumbnailWidth: 2,
    thumbnailHeight: 1,
  },
};

describe("Vault", () => {
  it("gives back after reopening what was kept, and shows nothing of it to whoever reads the disk", async () => {
    const vault = await Vault.open(factory);
    await vault.write("session", { token: "secret token" });
    await vault.writeBytes("storageKey", new Uint8Array([1, 2, 3]));
    const again = await Vault.open(factory);
    expect(await again.read("session")).toEqual({ token: "secret token" });
    expect(await again.readBytes("storageKey")).toEqual(new Uint8Array([1, 2, 3]));
    expect(await again.read("nothing")).toBeUndefined();
    for (const value of await raw()) {
      if (value instanceof CryptoKey) expect(value.extractable).toBe(false);
      else expect(new TextDecoder().decode((value as { data: ArrayBuffer }).data)).not.toContain("secret");
    }
  });

  it("opens nothing under another name than it was kept under", async () => {
    const vault = await Vault.open(factory);
    await vault.write("a", 1);
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = factory.open("myelin");
      request.onsuccess = () => {
        resolve(request.result);
      };
    });
    await new Promise<void>((resolve) => {
      const transaction = database.transaction("records", "readwrite");
      const store = transaction.objectStore("records");
      const request = store.get("a");
      request.onsuccess = () => store.put(request.result, "b");
      transaction.oncomplete = () => {
        resolve();
      };
    });
    expect(await vault.read("a")).toBe(1);
    expect(await vault.read("b")).toBeUndefined();
  });

  it("ends with one key when two pages open it at once", async () => {
    const [one, two] = await Promise.all([Vault.open(factory), Vault.open(factory)]);
    await one.write("x", "from one");
    expect(await two.read("x")).toBe("from one");
  });

  it("cannot open anything after it was destroyed", async () => {
    const vault = await Vault.open(factory);
    await vault.write("session", 1);
    await vault.destroy();
    expect(await raw()).toEqual([]);
    expect(await (await Vault.open(factory)).read("session")).toBeUndefined();
  });
});

describe("SealedShelf", () => {
  it("keeps texts and pictures whole, oldest first", async () => {
    const shelf = new SealedShelf(await Vault.open(factory));
    await shelf.add(text);
    await shelf.add(picture);
    const [first, second] = await new SealedShelf(await Vault.open(factory)).load();
    expect(second).toEqual(text);
    expect(first).toMatchObject({ txn: "t2", state: "failed", content: { kind: "media", name: "ecg.png", caption: "bed 12", width: 4, thumbnailHeight: 1 } });
    if (first?.content.kind !== "media") throw new Error("no file");
    expect([await first.content.blob.text(), first.content.blob.type]).toEqual(["large secret", "image/png"]);
    expect([await first.content.thumbnail?.text(), first.content.thumbnail?.type]).toEqual(["small", "image/jpeg"]);
  });

  it("remembers where the files of a message are once they are uploaded, and writes them down once", async () => {
    const vault = await Vault.open(factory);
    const shelf = new SealedShelf(vault);
    await shelf.add(picture);
    const records = (await raw()).length;
    await shelf.update({ ...picture, state: "waiting", uploaded: { blob: "mxc://s/1", thumbnail: "mxc://s/2" } });
    expect(await raw()).toHaveLength(records);
    const again = new SealedShelf(vault);
    const [kept] = await again.load();
    expect(kept).toMatchObject({ state: "waiting", uploaded: { blob: "mxc://s/1", thumbnail: "mxc://s/2" } });
  });

  it("gives one message to another tab, whole", async () => {
    await new SealedShelf(await Vault.open(factory)).add(picture);
    const other = new SealedShelf(await Vault.open(factory));
    const taken = await other.read("t2");
    expect(taken?.content.kind === "media" ? await taken.content.blob.text() : "").toBe("large secret");
    expect(await other.read("t1")).toBeUndefined();
  });

  it("forgets a message with its files, for good", async () => {
    const empty = await Vault.open(factory).then(raw);
    const shelf = new SealedShelf(await Vault.open(factory));
    await shelf.add(picture);
    await shelf.remove("t2");
    await shelf.update({ ...picture, state: "waiting" });
    expect(await raw()).toHaveLength(empty.length);
  });

  it("keeps a message in the place of another in one step", async () => {
    const shelf = new SealedShelf(await Vault.open(factory));
    await shelf.add(picture);
    await shelf.add(text, "t2");
    expect(await shelf.load()).toEqual([text]);
  });
});

/** Opens the vault's database as another version of the app would, and does not let go of it. */
function openAs(factory: IDBFactory, version: number): Promise<IDBDatabase> {
  return new Promise((yes, no) => {
    const request = factory.open("myelin", version);
    request.onsuccess = () => {
      yes(request.result);
    };
    request.onerror = () => {
      no(request.error ?? new Error("not opened"));
    };
  });
}

describe("versions of the app side by side", () => {
  it("says so when an older one does not let go of the vault, and opens when it has", async () => {
    const factory = new IDBFactory();
    const old = await openAs(factory, 1);
    await expect(Vault.open(factory)).rejects.toBeInstanceOf(VaultHeld);
    old.close();
    await expect(Vault.open(factory)).resolves.toBeInstanceOf(Vault);
  });

  it("lets go of the vault for a newer one and does not go on without it", async () => {
    const factory = new IDBFactory();
    const outdated = vi.fn();
    await openDatabase(factory, outdated);
    await openAs(factory, 99);
    expect(outdated).toHaveBeenCalledTimes(1);
  });
});
