import { expect, it } from "vitest";

import { forgetWish, noWish } from "./MessageSearch.ts";
import { Store } from "./Store.ts";
import type { Session } from "./model.ts";

it("forgets what was looked for when the person is signed out, and not before", () => {
  const session = new Store<Session>({ phase: "open", me: { id: "@anna:demo.example", name: "Anna" }, device: "D" });
  const wish = new Store({ term: "Mrs. K", everywhere: true, asked: 1 });
  forgetWish(session, wish);
  session.set({ phase: "open", me: { id: "@anna:demo.example", name: "Anna B" }, device: "D" });
  expect(wish.snapshot.term).toBe("Mrs. K");
  session.set({ phase: "signedOut", ended: true });
  expect(wish.snapshot).toEqual(noWish);
});
