import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect, it } from "vitest";

import { lastActive, lock, lockable, noteActive, setPassword, unlock } from "./door.ts";
import { Vault, VaultLocked } from "./vault.ts";

let factory: IDBFactory;
beforeEach(async () => {
  factory = new IDBFactory();
  const vault = await Vault.open(factory);
  await vault.write("session", "words");
});

it("cannot be locked before there is a password to open it with", async () => {
  const vault = await Vault.open(factory);
  expect(await lockable(vault)).toBe(false);
  expect(await lock(factory)).toBe(false);
  expect(await (await Vault.open(factory)).read("session")).toBe("words");
});

it("opens with the password and nothing else, however often the page is opened", async () => {
  await setPassword(await Vault.open(factory), "night shift", 1_000);
  expect(await lock(factory)).toBe(true);
  await expect(Vault.open(factory)).rejects.toThrow(VaultLocked);
  expect(await unlock("day shift", 0, factory)).toEqual({ kind: "wrong", wait: 0, left: 9 });
  await expect(Vault.open(factory)).rejects.toThrow(VaultLocked);
  expect(await unlock("night shift", 0, factory)).toEqual({ kind: "open" });
  expect(await (await Vault.open(factory)).read("session")).toBe("words");
});

it("slows wrong tries down and forgets the way in after ten, whatever the clock says", async () => {
  await setPassword(await Vault.open(factory), "right", 1_000);
  await lock(factory);
  let now = 1_000_000;
  const waits: number[] = [];
  for (let i = 1; i < 10; i++) {
    const answer = await unlock(`wrong ${String(i)}`, now, factory);
    if (answer.kind !== "wrong") throw new Error(answer.kind);
    waits.push(answer.wait / 1_000);
    if (answer.wait > 0) {
      expect(await unlock("right", now + answer.wait - 1, factory)).toEqual({ kind: "wait", wait: 1 });
      expect(await unlock("right", now - 60_000, factory)).toEqual({ kind: "wait", wait: answer.wait });
    }
    now += answer.wait;
  }
  expect(waits).toEqual([0, 0, 0, 5, 15, 30, 60, 120, 300]);
  expect(await unlock("wrong again", now, factory)).toEqual({ kind: "spent" });
  expect(await unlock("right", now + 600_000, factory)).toEqual({ kind: "spent" });
});

it("remembers when somebody was last there", async () => {
  expect(await lastActive(factory)).toBeUndefined();
  await noteActive(await Vault.open(factory), 42);
  expect(await lastActive(factory)).toBe(42);
});
