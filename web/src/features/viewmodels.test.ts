import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Refusal } from "../store/Homeserver.ts";
import { Store } from "../store/Store.ts";
import { anna, ben, chiara, roomOf, testApp, timelineOf, type TestApp } from "../testing/app.ts";
import { MeViewModel } from "./me/MeViewModel.ts";
import { PeopleViewModel } from "./people/PeopleViewModel.ts";
import { ComposerViewModel } from "./room/ComposerViewModel.ts";
import { RoomViewModel } from "./room/RoomViewModel.ts";
import { NotSentViewModel } from "./shell/NotSentViewModel.ts";
import { ShellViewModel } from "./shell/ShellViewModel.ts";
import { SignInViewModel } from "./signin/SignInViewModel.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const demoPerson = { user: "@ben:demo.example", name: "Ben", role: "Nurse", department: "Ward 3", password: "demo" };

describe("SignInViewModel", () => {
  let app: TestApp;
  let model: SignInViewModel;
  beforeEach(() => {
    app = testApp();
    app.session.set({ phase: "signedOut", ended: true });
    model = new SignInViewModel(app);
  });

  it("asks for both a name and a password", async () => {
    expect(model.snapshot.canSubmit).toBe(false);
    model.typeUser(" anna ");
    await model.submit();
    expect(app.asked).toEqual([]);
    model.typePassword("secret");
    await model.submit();
    expect(app.asked).toEqual(["sign in anna"]);
  });

  it("says what was wrong until somebody types again", async () => {
    app.signInFault = "wrongPassword";
    model.typeUser("anna");
    model.typePassword("x");
    expect(model.snapshot.ended).toBe(true);
    await model.submit();
    expect(model.snapshot).toMatchObject({ fault: "wrongPassword", ended: false });
    model.typePassword("y");
    expect(model.snapshot.fault).toBeUndefined();
  });

  it("signs a demo person in with one press, and only once", async () => {
    await model.choose(demoPerson);
    app.session.set({ phase: "signingIn" });
    await model.choose(demoPerson);
    expect(app.asked).toEqual(["sign in @ben:demo.example"]);
  });
});

describe("PeopleViewModel", () => {
  it("makes one person a direct conversation and several a group", async () => {
    const app = testApp();
    const model = new PeopleViewModel(app);
    await model.start();
    model.toggle(ben);
    await model.start();
    expect(app.asked).toEqual(["direct @ben:demo.example"]);
    const second = new PeopleViewModel(app);
    second.toggle(ben);
    second.toggle(chiara);
    second.nameGroup(" Ward 3 ");
    app.refuse = true;
    await second.start();
    expect(second.snapshot).toMatchObject({ failed: true, busy: false });
    app.refuse = false;
    await second.start();
    expect(app.asked.at(-1)).toBe("group Ward 3: @ben:demo.example, @chiara:demo.example");
    expect(app.route.snapshot).toEqual({ at: "room", room: "!group" });
  });

  it("lets a choice be taken back, and says when the search failed", async () => {
    const app = testApp();
    const model = new PeopleViewModel(app);
    model.type("chi");
    await vi.advanceTimersByTimeAsync(300);
    model.toggle(chiara);
    expect(model.snapshot.found).toEqual([{ person: chiara, chosen: true }]);
    model.toggle(chiara);
    expect(model.snapshot.chosen).toEqual([]);
    app.refuse = true;
    model.type("chia");
    await vi.advanceTimersByTimeAsync(300);
    expect(model.snapshot.search).toBe("failed");
  });
});

describe("RoomViewModel", () => {
  const room = roomOf("!r", { name: ben.name, direct: ben });

  it("waits for the room, opens it, and says when it is gone", () => {
    const app = testApp();
    app.session.set({ phase: "opening", me: anna });
    const model = new RoomViewModel(app, "!r");
    const heard = vi.fn();
    model.subscribe(heard);
    expect(model.snapshot.state).toBe("loading");
    app.session.set({ phase: "open", me: anna, device: "D" });
    expect(model.snapshot.state).toBe("gone");
    app.timelines.set("!r", new Store(timelineOf("!r", { others: [ben] })));
    app.rooms.set([room]);
    expect(model.snapshot).toMatchObject({ state: "open", others: [ben] });
    heard.mockClear();
    app.timelines.get("!r")?.set(timelineOf("!r", { typing: [ben] }));
    expect(heard).toHaveBeenCalled();
    expect(model.desk.timeline.snapshot.typing).toEqual([ben]);
    app.rooms.set([{ ...room, membership: "invited" }]);
    expect(model.snapshot.state).toBe("invited");
  });

  it("shows a refused message as not sent, to be sent again or thrown away", async () => {
    const app = testApp(() => Promise.reject(new Refusal("forbidden", "no")));
    await app.outbox.start();
    app.rooms.set([room]);
    app.timelines.set("!r", new Store(timelineOf("!r")));
    const model = new RoomViewModel(app, "!r");
    model.desk.composer.type("hello");
    await model.desk.composer.send();
    await vi.advanceTimersByTimeAsync(0);
    expect(model.desk.timeline.snapshot.rows.at(-1)).toMatchObject({ status: { kind: "failed", txn: "txn1" } });
    await model.desk.timeline.discard("txn1");
    expect(model.desk.timeline.snapshot.rows).toEqual([]);
  });
});

describe("ShellViewModel", () => {
  it("says that the server is away and how much waits, and nothing while all is well", async () => {
    const app = testApp(() => Promise.reject(new Refusal("unreachable", "away")));
    await app.outbox.start();
    const model = new ShellViewModel(app);
    expect(model.snapshot.bar).toBeUndefined();
    app.connection.set("unreachable");
    await app.outbox.enqueue("!r", { kind: "text", text: "x" });
    expect(model.snapshot.bar).toEqual({ kind: "unreachable", waiting: 1 });
    model.retry();
    expect(app.asked).toEqual(["retry"]);
    app.connection.set("connecting");
    expect(model.snapshot.bar).toBeUndefined();
  });

  it("counts conversations with something new", () => {
    const app = testApp();
    app.rooms.set([roomOf("!1", { unread: 5 }), roomOf("!2"), roomOf("!3", { membership: "invited" })]);
    expect(new ShellViewModel(app).snapshot.unread).toBe(2);
  });
});

describe("MeViewModel", () => {
  it("warns of messages that signing out would lose", async () => {
    const app = testApp();
    await app.outbox.enqueue("!r", { kind: "text", text: "x" });
    const model = new MeViewModel(app);
    model.askSignOut(true);
    expect(model.snapshot).toMatchObject({ leaving: "asked", waiting: 1, me: anna });
    await model.signOut();
    expect(app.asked).toEqual(["sign out"]);
  });
});

describe("NotSentViewModel", () => {
  it("lists critical messages that were not sent, and nothing else", async () => {
    const app = testApp(() => Promise.reject(new Refusal("forbidden", "no")));
    app.rooms.set([roomOf("!r", { name: "Ward 3" })]);
    await app.outbox.start();
    await app.outbox.enqueue("!r", { kind: "text", text: "routine" });
    await app.outbox.enqueue("!r", { kind: "text", text: "resus 4", priority: "critical" });
    await vi.advanceTimersByTimeAsync(0);
    const model = new NotSentViewModel(app);
    expect(model.snapshot).toMatchObject([{ room: "!r", name: "Ward 3", body: { kind: "text", text: "resus 4" }, fresh: false }]);
    await model.again(model.snapshot[0]?.txn ?? "");
    await vi.advanceTimersByTimeAsync(0);
    expect(model.snapshot).toMatchObject([{ fresh: true }]);
    await model.drop(model.snapshot[0]?.txn ?? "");
    expect(model.snapshot).toEqual([]);
  });
});

describe("ComposerViewModel", () => {
  it("marks one message as urgent or critical, which also a draft remembers", async () => {
    const app = testApp();
    const model = new ComposerViewModel(app, "!r");
    model.prioritize("critical");
    model.type("resus 4");
    expect(new ComposerViewModel(app, "!r").snapshot.draft.priority).toBe("critical");
    await model.send();
    expect(app.outbox.snapshot).toMatchObject([{ content: { text: "resus 4", priority: "critical" } }]);
    model.type("thank you");
    await model.send();
    expect(app.outbox.snapshot[1]?.content).toEqual({ kind: "text", text: "thank you" });
  });

  it("sends what was written and clears the draft, and keeps drafts by room", async () => {
    const app = testApp();
    await app.outbox.start();
    const model = new ComposerViewModel(app, "!r");
    await model.send();
    model.type("  see this ");
    expect(model.snapshot.canSend).toBe(true);
    await model.send();
    expect(app.outbox.snapshot.map((entry) => entry.content)).toEqual([{ kind: "text", text: "see this" }]);
    expect(model.snapshot.draft).toEqual({ text: "" });
    expect(app.asked).toEqual(["typing !r true", "typing !r false"]);
    model.type("half a sen");
    expect(new ComposerViewModel(app, "!r").snapshot.draft.text).toBe("half a sen");
    expect(new ComposerViewModel(app, "!other").snapshot.draft.text).toBe("");
  });
});
