import { IDBFactory } from "fake-indexeddb";
import { beforeEach, describe, expect, it } from "vitest";

import { wantedOf } from "../store/words.ts";
import { Vault } from "./vault.ts";
import { WordIndex, type Bounds, type Edit, type Entry } from "./wordindex.ts";

const anna = "@anna:demo.example";
const ben = "@ben:demo.example";
const small: Bounds = { block: 3, blockSize: 200, size: 100_000 };

let factory: IDBFactory;
let vault: Vault;
let index: WordIndex;
beforeEach(async () => {
  factory = new IDBFactory();
  vault = await Vault.open(factory);
  index = new WordIndex(vault, small);
});

function entry(at: number, text: string, change: Partial<Entry> = {}): Entry {
  return { id: `$${String(at)}`, at, sender: anna, text, ...change };
}

function editOf(id: string, text: string, at: number): Edit {
  return { id, sender: anna, text, edited: { by: `$edit${String(at)}`, at } };
}

async function found(query: string, { room, limit = 20, now = 0, from = index }: { room?: string; limit?: number; now?: number; from?: WordIndex } = {}): Promise<string[]> {
  return (await from.find({ wanted: wantedOf(query), room, limit, now })).map(({ id }) => id);
}

/** Everything of the index as the disk has it: the names and the sealed bytes, in one string. */
async function disk(): Promise<{ readonly text: string; readonly records: number }> {
  const store = vault.database.transaction("search").objectStore("search");
  const ask = <T>(request: IDBRequest<T>): Promise<T> =>
    new Promise((resolve) => {
      request.onsuccess = () => {
        resolve(request.result);
      };
    });
  const [keys, values] = await Promise.all([ask(store.getAllKeys()), ask(store.getAll() as IDBRequest<{ data: ArrayBuffer }[]>)]);
  return { text: keys.map(String).join("\n") + values.map(({ data }) => new TextDecoder("latin1").decode(data)).join("\n"), records: keys.length };
}

describe("WordIndex", () => {
  it("finds by all words and by how the last one begins, newest first, in one room or all", async () => {
    const texts = ["Troponin of bed 12 is back", "Fever since noon", "No fever any more", "Fever and troponin", "constructor", "Fever again, bed 12"];
    await index.change("!a", { add: texts.map((text, i) => entry(i + 1, text)) });
    await index.change("!b", { add: [entry(10, "Tropenfieber"), entry(4.5, "Bed 120 has fever")] });
    expect(await found("fever")).toEqual(["$6", "$4.5", "$4", "$3", "$2"]);
    expect(await found("trop")).toEqual(["$10", "$4", "$1"]);
    expect(await found("bed 12")).toEqual(["$6", "$4.5", "$1"]);
    expect(await found("bed 12 ")).toEqual(["$6", "$1"]);
    expect(await found("fever", { room: "!b" })).toEqual(["$4.5"]);
    expect(await found("fever", { limit: 2 })).toEqual(["$6", "$4.5", "$4"]);
    expect(await found("constructor ")).toEqual(["$5"]);
    expect(await found("toString ")).toEqual([]);
  });

  it("is there again after reopening, takes nothing twice, and takes in what is older and newer", async () => {
    const all = Array.from({ length: 20 }, (_, i) => entry(i, `common word${String(i)}`));
    await index.change("!a", { add: all.slice(10, 14) });
    const again = new WordIndex(await Vault.open(factory), small);
    expect((await again.unknown("!a", all)).length).toBe(16);
    await again.change("!a", { add: all.slice(0, 12).reverse() });
    await again.change("!a", { add: all.slice(12) });
    expect(await found("common ", { from: again })).toEqual(all.map(({ id }) => id).reverse());
    expect(await found("word7 ", { from: again })).toEqual(["$7"]);
  });

  it("shows nothing of it to whoever reads the disk", async () => {
    await index.change("!secretroom", { add: Array.from({ length: 7 }, (_, i) => entry(i, `Haemophilie ${String(i)}`, { sender: "@somebody:demo.example" })) });
    expect(await found("haemo")).toHaveLength(7);
    const { text, records } = await disk();
    expect(records).toBeGreaterThan(5);
    for (const word of ["aemophilie", "words/", "block/", "secretroom", "somebody"]) expect(text).not.toContain(word);
  });

  it("begins another block when one has its letters, however few messages those are", async () => {
    const long = "word ".repeat(50);
    await index.change("!a", { add: [entry(1, long), entry(2, long), entry(3, long)] });
    const one = (await disk()).records;
    await index.change("!b", { add: [entry(1, "word"), entry(2, "word"), entry(3, "word")] });
    expect((await disk()).records - one).toBe(2); // the room and one block; the first room has three
    expect(one).toBe(6); // and the head and the list of the word
  });

  it("replaces what its writer changes, and forgets the words that were there before", async () => {
    await index.change("!a", { add: [entry(1, "Give aspirin"), entry(2, "ok"), entry(3, "thanks"), entry(4, "Give aspirin too")] });
    await index.change("!a", { edit: [editOf("$1", "Give heparin", 5), { ...editOf("$4", "not mine", 5), sender: ben }] });
    expect(await found("aspirin")).toEqual(["$4"]);
    expect(await found("heparin")).toEqual(["$1"]);
    expect(await found("mine")).toEqual([]);
    await index.change("!a", { edit: [editOf("$1", "an older change", 4)] });
    expect(await found("heparin")).toEqual(["$1"]);
    await index.change("!a", { remove: ["$edit5"] });
    expect(await found("heparin")).toEqual([]);
  });

  it("keeps nothing of what was deleted, has vanished, or belongs to a room that was left", async () => {
    await index.change("!a", { add: [entry(1, "ruby"), entry(2, "ruby emerald"), entry(3, "opal"), entry(4, "opal", { expires: 100 }), entry(5, "agate", { expires: 90 })] });
    await index.change("!b", { add: [entry(6, "ruby"), entry(7, "topaz"), entry(8, "topaz"), entry(9, "topaz")] });
    await index.change("!a", { remove: ["$2", "$none"] });
    expect(await found("ruby")).toEqual(["$6", "$1"]);
    expect(await found("emerald")).toEqual([]);
    expect(await found("opal", { now: 99 })).toEqual(["$4", "$3"]);
    expect(await found("opal", { now: 100 })).toEqual(["$3"]); // before anybody has taken it out
    expect(await index.expire(95)).toBe(100);
    expect(await found("agate", { now: 0 })).toEqual([]);
    expect(await index.expire(100)).toBeUndefined();
    await index.removeRoom("!b");
    expect(await found("topaz")).toEqual([]);
    await index.change("!a", { remove: ["$1", "$3"], stretches: () => [] });
    await index.removeRoom("!a");
    expect((await disk()).records).toBe(1); // the head of an empty index: no list of words is left
  });

  it("drops the oldest when there is too much, and says how far it reaches then", async () => {
    index = new WordIndex(vault, { ...small, size: 60 });
    await index.change("!a", { add: [1, 2, 3, 4, 5, 6].map((at) => entry(at, "0123456789")), stretches: () => [{ since: 1, until: 6, from: "t1" }] });
    expect([await index.full(), await index.cut()]).toEqual([true, []]);
    await index.change("!b", { add: [7, 8].map((at) => entry(at, "0123456789")) });
    expect(await found("0123456789 ")).toEqual(["$8", "$7", "$6", "$5", "$4"]);
    expect(await index.cut()).toEqual(["!a"]);
    expect((await index.rooms()).get("!a")).toEqual([{ since: 4, until: 6, from: "t1" }]);
  });

  it("is as it was when something could not be written", async () => {
    await index.change("!a", { add: [entry(1, "first")] });
    const { change } = vault;
    vault.change = () => Promise.reject(new DOMException("full", "QuotaExceededError"));
    await expect(index.change("!a", { add: [entry(2, "second")] })).rejects.toThrow("full");
    vault.change = change.bind(vault);
    expect(await found("second")).toEqual([]);
    await index.change("!a", { add: [entry(3, "third")] });
    expect(await found("first")).toEqual(["$1"]);
    expect(await found("third")).toEqual(["$3"]);
  });
});
