import { describe, expect, it } from "vitest";

import { Derived, Store } from "./Store.ts";

describe("Store", () => {
  it("tells its listeners of each change and of nothing else", () => {
    const store = new Store(1);
    const heard: number[] = [];
    const end = store.subscribe(() => heard.push(store.snapshot));
    store.set(2);
    store.set(2);
    store.update((now) => now + 1);
    end();
    store.set(9);
    expect(heard).toEqual([2, 3]);
  });

  it("may be left by a listener while it tells", () => {
    const store = new Store(1);
    const heard: string[] = [];
    const end = store.subscribe(() => {
      heard.push("a");
      end();
    });
    store.subscribe(() => heard.push("b"));
    store.set(2);
    store.set(3);
    expect(heard).toEqual(["a", "b", "b"]);
  });
});

describe("Derived", () => {
  it("computes only when a source has changed, and keeps the same answer meanwhile", () => {
    const a = new Store(1);
    const b = new Store(10);
    let computed = 0;
    const sum = new Derived([a, b], (x, y) => {
      computed++;
      return { sum: x + y };
    });
    expect(sum.snapshot).toBe(sum.snapshot);
    expect(sum.snapshot).toEqual({ sum: 11 });
    expect(computed).toBe(1);
    b.set(20);
    expect(sum.snapshot).toEqual({ sum: 21 });
    expect(computed).toBe(2);
  });

  it("stops hearing its sources when nobody listens", () => {
    const a = new Store(1);
    const twice = new Derived([a], (x) => 2 * x);
    let heard = 0;
    const end = twice.subscribe(() => heard++);
    a.set(2);
    end();
    a.set(3);
    expect(heard).toBe(1);
    expect(twice.snapshot).toBe(6);
  });
});
