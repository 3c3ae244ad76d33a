import { IDBFactory } from "fake-indexeddb";
import { expect, it, vi } from "vitest";

import { Drafts } from "../store/Drafts.ts";
import { KeptDrafts } from "./drafts.ts";
import { Vault } from "./vault.ts";

/** A tab with its own drafts over the browser's one vault. */
async function tab(factory: IDBFactory, onWritten = (): void => undefined): Promise<{ drafts: Drafts; kept: KeptDrafts; vault: Vault }> {
  const drafts = new Drafts();
  const kept = new KeptDrafts(drafts, onWritten);
  const vault = await Vault.open(factory);
  await kept.open(vault);
  return { drafts, kept, vault };
}

it("keeps the newest of what was written, without waiting for what was written before", async () => {
  const factory = new IDBFactory();
  const { drafts, kept } = await tab(factory);
  for (const text of ["a", "ab", "abc"]) drafts.keep("!r", { text });
  drafts.keep("!s", { text: "other" });
  drafts.keep("!s", { text: "" });
  await kept.flush();
  const { drafts: after } = await tab(factory);
  expect([...after.snapshot]).toEqual([["!r", { text: "abc" }]]);
});

it("takes over from another tab what nobody has changed here, and nothing else", async () => {
  const factory = new IDBFactory();
  const one = await tab(factory);
  const two = await tab(factory);
  one.drafts.keep("!r", { text: "from one" });
  one.drafts.keep("!s", { text: "from one" });
  await one.kept.flush();
  two.drafts.keep("!s", { text: "from two" });
  await two.kept.refresh(); // its own is still being written
  expect([two.drafts.get("!r").text, two.drafts.get("!s").text]).toEqual(["from one", "from two"]);
  await two.kept.flush();
  await one.kept.refresh();
  expect([one.drafts.get("!r").text, one.drafts.get("!s").text]).toEqual(["from one", "from two"]);
});

it("writes again with the next key what could not be written, and tells of what was", async () => {
  const factory = new IDBFactory();
  const told = vi.fn();
  const { drafts, kept, vault } = await tab(factory, told);
  const change = vi.spyOn(vault, "change").mockRejectedValue(new Error("no room"));
  drafts.keep("!r", { text: "a" });
  await expect(kept.flush()).rejects.toThrow("no room");
  expect(told).not.toHaveBeenCalled();
  change.mockRestore();
  await kept.flush();
  expect(told).toHaveBeenCalled();
  expect((await tab(factory)).drafts.get("!r").text).toBe("a");
  vi.spyOn(vault, "change").mockRejectedValueOnce(new Error("no room"));
  drafts.keep("!r", { text: "" });
  await expect(kept.flush()).rejects.toThrow("no room");
  await kept.flush();
  expect((await tab(factory)).drafts.snapshot.size).toBe(0);
});

it("leaves nothing for whoever signs in next", async () => {
  const { drafts, kept } = await tab(new IDBFactory());
  drafts.keep("!r", { text: "Mrs. K has the result" });
  await kept.flush();
  kept.forget();
  const next = new IDBFactory();
  await kept.open(await Vault.open(next));
  drafts.keep("!s", { text: "mine" });
  await kept.flush();
  expect([...(await tab(next)).drafts.snapshot.keys()]).toEqual(["!s"]);
});

it("takes over what an older version kept as one record", async () => {
  const factory = new IDBFactory();
  const vault = await Vault.open(factory);
  await vault.write("drafts", [["!r", { text: "old" }]]);
  expect((await tab(factory)).drafts.get("!r").text).toBe("old");
  const { drafts, kept } = await tab(factory);
  drafts.keep("!r", { text: "" });
  await kept.flush();
  expect((await tab(factory)).drafts.snapshot.size).toBe(0);
});
