import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { ben, chiara, roomOf, testApp } from "../../testing/app.ts";
import { PaletteViewModel } from "./PaletteViewModel.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("PaletteViewModel", () => {
  const say = (key: string): string => (key === "action.lookDark" ? "Use the dark look" : key);

  it("finds conversations, people without one, and commands by what they are called", async () => {
    const app = testApp();
    app.rooms.set([roomOf("!1", { name: ben.name, direct: ben }), roomOf("!2", { name: "Dark room team" })]);
    app.directory = [{ ...chiara, name: "Darko Rossi" }, ben];
    const model = new PaletteViewModel(app, say);
    expect(model.snapshot.items.slice(0, 2).map((item) => item.id)).toEqual(["!1", "!2"]);
    model.type("dark");
    await vi.advanceTimersByTimeAsync(300);
    expect(model.snapshot.items.map((item) => item.id)).toEqual(["!2", chiara.id, "prefer.theme.dark", "messages"]);
    model.move(-1);
    expect(model.snapshot.active).toBe(3);
    app.overlay.set("palette");
    await model.take(model.snapshot.items[2]);
    expect(app.preferences.snapshot.theme).toBe("dark");
    expect(app.overlay.snapshot).toBe("none");
    expect(model.snapshot.items.map((item) => item.id)).not.toContain("prefer.theme.dark");
    await model.take(model.snapshot.items.at(-1));
    expect([app.route.snapshot, app.wish.snapshot.term]).toEqual([{ at: "search" }, "dark"]);
  });

  it("opens a conversation with a person, and tells when that fails", async () => {
    const app = testApp();
    const model = new PaletteViewModel(app, say);
    await model.take({ kind: "person", id: ben.id, person: ben });
    expect(app.route.snapshot).toEqual({ at: "room", room: "!direct-@ben:demo.example" });
    app.refuse = true;
    await model.take({ kind: "person", id: chiara.id, person: chiara });
    expect(app.notices.snapshot?.kind).toBe("failed");
  });
});
