import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { lookFor, searchMessages } from "../../actions/go.ts";
import { perform } from "../../actions/Action.ts";
import type { Hit } from "../../store/MessageSearch.ts";
import { anna, ben, roomOf, testApp, type TestApp } from "../../testing/app.ts";
import { SearchViewModel } from "./SearchViewModel.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function hit(at: number, text: string, change: Partial<Hit> = {}): Hit {
  return { room: "!a", item: `$${String(at)}`, at, sender: ben, own: false, text, ...change };
}

/** A search that somebody looks at. */
function opened(app: TestApp, beside?: string): SearchViewModel {
  app.rooms.set([roomOf("!a", { name: "Ward 3" }), roomOf("!b", { name: "Cath lab", encrypted: false })]);
  const model = new SearchViewModel(app, beside);
  model.subscribe(() => undefined);
  return model;
}

async function type(model: SearchViewModel, term: string): Promise<void> {
  model.type(term);
  await vi.advanceTimersByTimeAsync(300);
}

const ids = (model: SearchViewModel): string[] => model.snapshot.lines.map(({ id }) => id);

describe("SearchViewModel", () => {
  it("shows what the device and the server find as one list, newest first, each once, with the hit marked", async () => {
    const app = testApp();
    app.search.onDevice = [hit(3, "Fever again"), hit(1, "Fever since noon", { sender: anna, own: true })];
    app.search.onServer = [hit(2, "no fever here", { room: "!b" }), hit(1, "Fever since noon")];
    const model = opened(app);
    model.type("feve");
    expect(model.snapshot).toMatchObject({ state: "searching", lines: [] });
    await vi.advanceTimersByTimeAsync(300);
    expect(model.snapshot).toMatchObject({ state: "done", more: false, partly: false, everywhere: true });
    expect(model.snapshot.lines.map(({ id, room }) => [id, room])).toEqual([
      ["$3", "Ward 3"],
      ["$2", "Cath lab"],
      ["$1", "Ward 3"],
    ]);
    expect(model.snapshot.lines[1]).toMatchObject({
      to: { at: "room", room: "!b", item: "$2", side: "search" },
      pieces: [
        { text: "no ", hit: false },
        { text: "fever", hit: true },
        { text: " here", hit: false },
      ],
    });
    await type(model, "nothing like it");
    expect(model.snapshot).toMatchObject({ state: "done", lines: [] });
    model.type("");
    expect(model.snapshot).toMatchObject({ state: "idle", lines: [] });
  });

  it("asks once for a word that is typed in one go, and only the last question counts", async () => {
    const app = testApp();
    app.search.onDevice = [hit(1, "fever"), hit(2, "aspirin")];
    const model = opened(app);
    for (const term of ["f", "fe", "fev"]) model.type(term);
    await vi.advanceTimersByTimeAsync(300);
    expect(app.asked).toEqual(["there fev", "here fev"]);
    const { here } = app.search;
    let answer = (): void => undefined;
    app.homeserver.search.here = async (sought) => {
      await new Promise<void>((resolve) => (answer = resolve));
      return here(sought);
    };
    await type(model, "fever");
    const late = answer;
    app.homeserver.search.here = here;
    await type(model, "aspirin");
    late();
    await vi.advanceTimersByTimeAsync(10);
    expect(ids(model)).toEqual(["$2"]);
  });

  it("shows a part of what was found and more when asked", async () => {
    const app = testApp();
    app.search.onDevice = Array.from({ length: 30 }, (_, i) => hit(100 - 2 * i, "fever"));
    app.search.onServer = Array.from({ length: 30 }, (_, i) => hit(101 - 2 * i, "fever", { room: "!b" }));
    const model = opened(app);
    await type(model, "fever");
    expect([ids(model).length, ids(model)[0], ids(model).at(-1), model.snapshot.more]).toEqual([20, "$101", "$82", true]);
    model.more();
    model.more();
    await vi.advanceTimersByTimeAsync(10);
    expect([ids(model).length, model.snapshot.more]).toEqual([60, false]);
  });

  it("says what could not be searched, and shows the rest", async () => {
    const app = testApp();
    app.search.onDevice = [hit(1, "fever")];
    app.homeserver.search.there = () => Promise.reject(new Error("away"));
    const model = opened(app);
    await type(model, "fever");
    expect(model.snapshot).toMatchObject({ state: "done", partly: true, lines: [{ id: "$1" }] });
    app.homeserver.search.here = () => Promise.reject(new Error("closed"));
    await type(model, "fevers");
    expect(model.snapshot).toMatchObject({ state: "failed", lines: [] });
  });

  it("searches the conversation beside it, or all of them", async () => {
    const app = testApp(undefined, "/room/!a");
    app.search.onDevice = [hit(2, "fever", { room: "!c" }), hit(1, "fever")];
    const model = opened(app, "!a");
    await type(model, "fever");
    expect(ids(model)).toEqual(["$1"]);
    expect(model.snapshot.lines[0]?.room).toBeUndefined();
    model.choose(true);
    await vi.advanceTimersByTimeAsync(300);
    expect(ids(model)).toEqual(["$2", "$1"]);
  });

  it("goes further back, and finds what comes of it", async () => {
    const app = testApp();
    app.search.reached.set({ since: 50, whole: false, further: true, state: "idle", read: 0 });
    const model = opened(app, "!a");
    await type(model, "fever");
    model.goFurther();
    expect(app.asked).toContain("further !a");
    app.search.onDevice = [hit(1, "fever")];
    app.search.reached.set({ since: 1, whole: true, further: false, state: "loading", read: 100 });
    await vi.advanceTimersByTimeAsync(300);
    expect(model.snapshot).toMatchObject({ lines: [{ id: "$1" }], reach: { read: 100 } });
    model.stop();
    expect(app.asked.at(-1)).toBe("stop");
  });

  it("is opened for the open conversation or for all, and keeps the words out of the address", async () => {
    const app = testApp(undefined, "/room/!a");
    await perform(app, searchMessages, undefined);
    expect(app.route.snapshot).toEqual({ at: "room", room: "!a", side: "search" });
    lookFor(app, " fever ");
    expect(app.route.snapshot).toEqual({ at: "search" });
    expect(app.wish.snapshot).toMatchObject({ term: "fever", everywhere: true });
    const model = opened(app);
    await vi.advanceTimersByTimeAsync(300);
    expect(app.asked).toContain("here fever"); // it is there when the search comes up
    expect(model.snapshot.term).toBe("fever");
  });
});
