import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { perform } from "../../actions/Action.ts";
import { roomActions } from "../../actions/rooms.ts";
import type { PublicRoom } from "../../store/Rooms.ts";
import { isUnread, sectionsOf } from "../../store/inbox.ts";
import { ben, chiara, roomOf, testApp } from "../../testing/app.ts";
import { JoinViewModel } from "../rooms/JoinViewModel.ts";
import { RoomsViewModel } from "../rooms/RoomsViewModel.ts";
import { InboxViewModel, matches } from "./InboxViewModel.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const published: PublicRoom = { id: "!p", name: "Pharmacy", topic: "", picture: undefined, members: 3, space: false, entry: "open" };

describe("sections", () => {
  const rooms = [
    roomOf("!1", { unread: 2, tag: "low" }),
    roomOf("!2", { markedUnread: true }),
    roomOf("!3"),
    roomOf("!4", { tag: "favourite", unread: 1 }),
    roomOf("!5", { mentions: 1 }),
  ];
  const shown = (held?: Parameters<typeof sectionsOf>[1]): unknown => sectionsOf(rooms, held).map(({ name, rooms: all }) => [name, ...all.map((room) => room.id)]);

  it("leave what somebody has put in a place there", () => {
    expect(shown()).toEqual([["favourite", "!4"], ["unread", "!2", "!5"], ["recent", "!3"], ["low", "!1"]]);
    expect(rooms.map(isUnread)).toEqual([true, true, false, true, true]);
  });

  it("keep a room where it was while it is read", () => {
    expect(shown({ room: "!3", section: "unread" })).toEqual([["favourite", "!4"], ["unread", "!2", "!3", "!5"], ["low", "!1"]]);
    expect(shown({ room: "!4", section: "unread" })).toEqual(shown());
  });
});

describe("InboxViewModel", () => {
  it("finds rooms by the beginnings of words, without minding accents", () => {
    const room = roomOf("!a", { name: "Chirurgie Süd, Station 3" });
    expect(["chir", "sud stat", "3", "Süd", ""].every((term) => matches(room, term))).toBe(true);
    expect(matches(room, "urgie")).toBe(false);
    expect(matches(roomOf("!b", { name: "Ben Okafor", direct: ben }), "@ben")).toBe(false);
    expect(matches(roomOf("!b", { name: "B. O.", direct: ben }), "ben")).toBe(true);
  });

  it("sets invitations apart, and finds people and rooms that are not in the list", async () => {
    const app = testApp();
    app.rooms.set([roomOf("!1", { name: ben.name, direct: ben }), roomOf("!2", { name: "Invited", membership: "invited" }), roomOf("!3", { membership: "knocked" })]);
    const model = new InboxViewModel(app);
    expect(model.snapshot.invitations.map((room) => room.id)).toEqual(["!2"]);
    expect(model.snapshot.knocked.map((room) => room.id)).toEqual(["!3"]);
    app.directory = [ben, { ...chiara, name: "Benedetta" }];
    app.published = [{ ...published, name: "Bench" }, { ...published, id: "!1", name: "Bend" }];
    model.type("ben");
    expect(model.snapshot.search).toBe("searching");
    await vi.advanceTimersByTimeAsync(300);
    expect(model.snapshot.sections.flatMap((section) => section.rooms.map((room) => room.id))).toEqual(["!1"]);
    expect(model.snapshot.people.map((person) => person.name)).toEqual(["Benedetta"]);
    expect(model.snapshot.published.map((room) => room.name)).toEqual(["Bench"]);
    model.type("");
    expect(model.snapshot.people).toEqual([]);
  });

  it("asks the server once when somebody types fast", async () => {
    const app = testApp();
    const model = new InboxViewModel(app);
    for (const term of ["c", "ch", "chi"]) model.type(term);
    await vi.advanceTimersByTimeAsync(300);
    expect(app.asked).toEqual(["search chi", "rooms chi"]);
  });

  it("opens what was accepted, and says when it did not work", async () => {
    const app = testApp();
    const model = new InboxViewModel(app);
    await model.accept(roomOf("!1"));
    expect(app.route.snapshot).toEqual({ at: "room", room: "!1" });
    await model.accept(roomOf("!s", { space: true }));
    expect(app.route.snapshot).toEqual({ at: "rooms", space: "!s" });
    app.refuse = true;
    await model.decline(roomOf("!2"));
    expect(model.snapshot).toMatchObject({ busy: undefined, failed: "!2" });
    app.refuse = false;
    await model.talkTo(ben);
    expect(app.route.snapshot).toEqual({ at: "room", room: "!direct-@ben:demo.example" });
  });

  it("blocks who sent an invitation only when asked twice", async () => {
    const app = testApp();
    const model = new InboxViewModel(app);
    await model.block();
    model.askBlock(roomOf("!1", { membership: "invited", inviter: ben }));
    await model.block();
    expect(app.asked).toEqual(["decline !1", `block ${ben.id}`]);
    expect(model.snapshot.blocking).toBeUndefined();
  });

  it("shows the rooms of a space, and keeps the open room in its section", () => {
    const app = testApp();
    app.rooms.set([roomOf("!1", { unread: 1 }), roomOf("!2")]);
    app.spaces.set([{ id: "!s", name: "Surgery", rooms: ["!2", "!else"] }]);
    const model = new InboxViewModel(app);
    model.subscribe(() => undefined);
    app.route.go({ at: "room", room: "!1" });
    expect(model.snapshot.open).toBe("!1");
    app.rooms.set([roomOf("!1"), roomOf("!2")]);
    expect(model.snapshot.sections.map(({ name }) => name)).toEqual(["unread", "recent"]);
    app.route.go({ at: "inbox" });
    expect(model.snapshot.sections.map(({ name }) => name)).toEqual(["recent"]);
    model.choose("!s");
    expect(model.snapshot.sections).toMatchObject([{ rooms: [{ id: "!2" }] }]);
  });

  it("knows what has been begun and who is writing", () => {
    const app = testApp();
    const model = new InboxViewModel(app);
    app.drafts.keep("!1", { ...app.drafts.get("!1"), text: " half a " });
    app.typing.set(new Map([["!1", [ben]]]));
    expect(model.snapshot.drafts.get("!1")).toBe("half a");
    expect(model.snapshot.typing.get("!1")).toEqual([ben]);
  });
});

describe("what can be done to a room", () => {
  it("is one side of each pair, and leaves an open room before it is marked", async () => {
    const app = testApp(undefined, "/room/!1");
    const room = roomOf("!1", { tag: "favourite", notify: "none" });
    for (const action of roomActions) await perform(app, action, room);
    expect(app.asked).toEqual(["unread !1", "tag !1 none", "tag !1 low", "notify !1 all"]);
    const fresh = testApp();
    for (const action of roomActions) await perform(fresh, action, roomOf("!2", { tag: "low", unread: 1 }));
    expect(fresh.asked).toEqual(["all read !2", "tag !2 favourite", "tag !2 none", "notify !2 none"]);
  });
});

describe("finding rooms", () => {
  it("shows a page at a time, and says when it failed", async () => {
    const app = testApp();
    app.published = [published, { ...published, id: "!q", name: "Theatre" }];
    const model = new RoomsViewModel(app, undefined);
    app.refuse = true;
    await model.load();
    expect(model.snapshot.state).toBe("failed");
    app.refuse = false;
    await model.load();
    expect(model.snapshot).toMatchObject({ state: "done", more: false, rooms: [{ id: "!p" }, { id: "!q" }] });
    model.type("thea");
    await vi.advanceTimersByTimeAsync(300);
    expect(model.snapshot.rooms.map((room) => room.id)).toEqual(["!q"]);
  });

  it("names the space that rooms belong to, and does not list it among them", async () => {
    const app = testApp();
    app.published = [{ ...published, id: "!s", name: "Surgery", space: true }, published];
    const model = new RoomsViewModel(app, "!s");
    await model.load();
    expect(model.snapshot).toMatchObject({ space: "Surgery", rooms: [{ id: "!p" }] });
  });

  it("joins or asks to be let in, and knows where one already is", async () => {
    const app = testApp();
    const model = new JoinViewModel(app, { ...published, entry: "ask" });
    model.ask(true);
    model.say(" late shift ");
    await model.knock();
    expect(model.snapshot.asking).toBe(false);
    app.rooms.set([roomOf("!p", { membership: "invited" })]);
    expect(model.snapshot.membership).toBe("invited");
    await model.join();
    expect(app.asked).toEqual(["knock !p late shift", "accept !p"]);
    expect(app.route.snapshot).toEqual({ at: "room", room: "!p" });
  });
});
