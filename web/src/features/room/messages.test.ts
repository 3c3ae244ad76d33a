import { beforeEach, describe, expect, it, vi } from "vitest";

import { can, perform } from "../../actions/Action.ts";
import { messageActions, remove, reply } from "../../actions/message.ts";
import { Store } from "../../store/Store.ts";
import type { MessageBody, MessageItem, Person, Timeline } from "../../store/model.ts";
import { anna, ben, chiara, roomOf, testApp, timelineOf, type TestApp } from "../../testing/app.ts";
import { ComposerViewModel } from "./ComposerViewModel.ts";
import { Desk } from "./Desk.ts";
import { TimelineViewModel } from "./TimelineViewModel.ts";

const room = "!r";
let clock: number;
let app: TestApp;
let timeline: Store<Timeline>;
let desk: Desk;

beforeEach(() => {
  clock = 1_000;
  app = testApp(undefined, "/", () => clock);
  timeline = new Store(timelineOf(room, { others: [ben, chiara] }));
  app.timelines.set(room, timeline);
  app.rooms.set([roomOf(room)]);
  desk = new Desk(app, new TimelineViewModel(app, room), new ComposerViewModel(app, room), room);
});

function message(id: string, sender: Person = ben, change: Partial<MessageItem> = {}): MessageItem {
  return { kind: "message", id, at: 0, sender, own: sender === anna, edited: false, body: { kind: "text", text: id }, txn: undefined, ...change };
}

function show(...items: MessageItem[]): void {
  timeline.update((now) => ({ ...now, items }));
}

const texts = (): string[] => desk.timeline.snapshot.rows.flatMap((row) => (row.kind === "message" && row.body.kind === "text" ? [row.body.text] : []));

/** What the person would be asked to do the message with. */
const offered = (item: MessageItem): string[] => messageActions.filter((action) => can(app, action, desk.target(item))).map((action) => action.id.replace("message.", ""));

describe("TimelineViewModel", () => {
  it("no longer shows a message when its time is over, and says when that is", () => {
    show(message("stays"), message("later", ben, { expires: 9_000 }), message("soon", ben, { expires: 5_000 }));
    expect(texts()).toEqual(["stays", "later", "soon"]);
    expect(desk.timeline.nextExpiry).toBe(5_000);
    clock = 5_000;
    desk.timeline.tick();
    expect(texts()).toEqual(["stays", "later"]);
    expect(desk.timeline.nextExpiry).toBe(9_000);
    clock = 20_000;
    desk.timeline.tick();
    expect([texts(), desk.timeline.nextExpiry]).toEqual([["stays"], undefined]);
  });

  it("goes to a message and to a day, and says when a place cannot be reached", async () => {
    await desk.toItem("$1");
    expect(desk.timeline.snapshot.target).toEqual({ key: "$1", mark: true });
    await desk.timeline.toTime(86_400_000);
    expect(desk.timeline.snapshot).toMatchObject({ target: { key: "$there", mark: false }, jump: "no" });
    app.refuse = true;
    await desk.timeline.toTime(0);
    expect(desk.timeline.snapshot).toMatchObject({ target: { key: "$there", mark: false }, jump: "failed" });
    expect(app.asked).toEqual(["go !r $1", "time !r 86400000", "time !r 0"]);
  });

  it("opens the thread that a message is in", async () => {
    vi.spyOn(app.homeserver.messages, "toItem").mockResolvedValue("$root");
    await desk.toItem("$1");
    expect(app.route.snapshot).toEqual({ at: "room", room, thread: "$root" });
  });

  it("counts as read only what has come to the newest message", () => {
    show(message("$1"), message("$2"));
    timeline.update((now) => ({ ...now, newer: "more" }));
    desk.timeline.seen();
    expect(app.asked).toEqual([]);
    timeline.update((now) => ({ ...now, newer: "live" }));
    desk.timeline.seen();
    expect(app.asked).toEqual(["read !r $2"]);
  });

  it("tells whom a message has reached and who has read it", () => {
    show(message("$1", anna), message("$2", anna));
    timeline.update((now) => ({ ...now, marks: [{ person: ben, item: "$1", at: 3 }], delivered: [{ person: ben, item: "$2", at: 4 }, { person: chiara, item: "$1", at: 2 }] }));
    const people = (marks: readonly { readonly person: Person }[]): string[] => marks.map(({ person }) => person.name);
    expect([people(desk.timeline.readersOf("$1")), people(desk.timeline.reachedBy("$1"))]).toEqual([["Ben Okafor"], ["Chiara Rossi", "Ben Okafor"]]);
    expect([people(desk.timeline.readersOf("$2")), people(desk.timeline.reachedBy("$2"))]).toEqual([[], ["Ben Okafor"]]);
  });
});

describe("what can be done with a message", () => {
  const change = { kind: "poll", poll: { question: "?", answers: [], open: true, most: 1, ended: false, voters: 0 } } satisfies MessageBody;

  it("depends on whose it is and what it says", () => {
    expect(offered(message("$1"))).toEqual(["reply", "thread", "react", "forward", "copy", "select", "link", "pin", "details", "report"]);
    expect(offered(message("$1", anna))).toEqual(["reply", "thread", "react", "edit", "forward", "copy", "select", "link", "pin", "details", "remove"]);
    expect(offered(message("$1", anna, { body: change }))).toEqual(["reply", "thread", "react", "link", "pin", "endPoll", "details", "remove"]);
    expect(offered(message("$1", ben, { body: { kind: "removed" } }))).toEqual(["link", "details"]);
    expect(offered(message("$1", ben, { body: { kind: "waiting", reason: "arriving" } }))).toEqual(["link", "details", "report"]);
  });

  it("depends on what one may do in the room", () => {
    timeline.update((now) => ({ ...now, powers: { pin: false, remove: true, expiry: false, mentionRoom: false }, pinned: [{ item: "$1", sender: ben, body: undefined }] }));
    expect(offered(message("$1"))).not.toContain("pin");
    expect(offered(message("$1"))).toContain("remove");
    timeline.update((now) => ({ ...now, powers: { ...now.powers, pin: true } }));
    expect(offered(message("$1"))).toContain("unpin");
  });

  it("is asked about before it is done, where it cannot be taken back", async () => {
    const item = message("$1", anna);
    await perform(app, remove, desk.target(item));
    expect(app.asked).toEqual([]);
    expect(desk.snapshot).toEqual({ kind: "remove", item });
    desk.close();
    expect(desk.snapshot).toBeUndefined();
  });
});

describe("ComposerViewModel", () => {
  it("lets one message vanish, and no more", async () => {
    desk.composer.stay(3_600_000);
    desk.composer.type("the code");
    await desk.composer.send();
    desk.composer.type("and more");
    await desk.composer.send();
    await desk.composer.sendPlace();
    expect(app.outbox.snapshot.map((entry) => entry.content)).toEqual([
      { kind: "text", text: "the code", stays: 3_600_000 },
      { kind: "text", text: "and more" },
      { kind: "place", place: { latitude: 52.5, longitude: 13.4 } },
    ]);
  });

  it("keeps what was written until this device has kept it, and says when it cannot", async () => {
    desk.composer.prioritize("critical");
    desk.composer.type("resus 4");
    app.shelf.full = true;
    await desk.composer.send();
    expect(desk.composer.snapshot).toMatchObject({ notKept: true, draft: { text: "resus 4", priority: "critical" } });
    app.shelf.full = false;
    const sent = desk.composer.send();
    const twice = desk.composer.send();
    expect(desk.composer.snapshot.draft.text).toBe("resus 4");
    desk.composer.type("resus 4 now");
    await sent;
    expect(app.outbox.snapshot.map(({ content }) => content)).toMatchObject([{ text: "resus 4", priority: "critical" }]);
    await twice;
    expect(app.outbox.snapshot.map(({ content }) => content)).toMatchObject([{ text: "resus 4", priority: "critical" }, { text: "now" }]);
    expect(desk.composer.snapshot).toMatchObject({ notKept: false, draft: { text: "" } });
  });

  it("marks every kind of message, once, and lets no critical one wait for later", async () => {
    desk.composer.type("later");
    expect(desk.composer.snapshot.canWait).toBe(true);
    desk.composer.prioritize("critical");
    expect(desk.composer.snapshot.canWait).toBe(false);
    await desk.composer.sendLater(9_000);
    expect(app.asked.filter((one) => one.startsWith("schedule"))).toEqual([]);
    await desk.composer.sendPoll("Who comes?", ["I", "you"], true, 1);
    await desk.composer.sendPoll("And then?", ["I", "you"], true, 1);
    desk.composer.prioritize("urgent");
    await desk.composer.sendPlace();
    expect(app.outbox.snapshot.map(({ content }) => content.priority)).toEqual(["critical", undefined, "urgent"]);
  });

  it("keeps what was chosen for the next message while another one is changed", async () => {
    const item = message("$1", anna);
    show(item);
    desk.composer.stay(3_600_000);
    desk.composer.prioritize("urgent");
    desk.edit(item);
    desk.composer.type("better");
    await desk.composer.send();
    expect(app.outbox.snapshot[0]?.content).toEqual({ kind: "text", text: "better", edits: "$1" });
    desk.composer.type("the code");
    await desk.composer.send();
    expect(app.outbox.snapshot[1]?.content).toEqual({ kind: "text", text: "the code", stays: 3_600_000, priority: "urgent" });
  });

  it("gives a change no more time than the message had", async () => {
    const item = message("$1", anna, { expires: 9_000 });
    show(item);
    desk.edit(item);
    desk.composer.type("better");
    await desk.composer.send();
    expect(app.outbox.snapshot[0]?.content).toEqual({ kind: "text", text: "better", edits: "$1", until: 9_000 });
  });

  it("answers a message, whose writer is meant by it, and may think again", async () => {
    const item = message("$1", ben);
    show(item);
    await perform(app, reply, desk.target(item));
    expect(desk.composer.snapshot.about).toBe(item);
    desk.composer.leaveAbout();
    expect(desk.composer.snapshot.about).toBeUndefined();
    desk.reply(item);
    desk.composer.type("yes");
    await desk.composer.send();
    expect(app.outbox.snapshot[0]?.content).toEqual({ kind: "text", text: "yes", mentions: [ben.id], reply: "$1" });
  });

  it("gives back what was being written when a change is given up", () => {
    show(message("$1", ben), message("$2", anna));
    desk.composer.type("half a sen");
    expect(desk.composer.editLast()).toBe(true);
    expect(desk.composer.snapshot.draft.text).toBe("$2");
    desk.composer.leaveAbout();
    expect(desk.composer.snapshot.draft).toMatchObject({ text: "half a sen" });
  });

  it("never changes the message before the one that was written last", async () => {
    let accept: (event: string) => void = () => undefined;
    app = testApp(() => new Promise((yes) => (accept = yes)));
    app.timelines.set(room, timeline);
    app.rooms.set([roomOf(room)]);
    const composer = new ComposerViewModel(app, room);
    const end = composer.subscribe(() => undefined);
    await app.outbox.start();
    show(message("$1", anna));
    composer.type("the newer one");
    await composer.send();
    expect(composer.editLast()).toBe(false);
    expect(composer.snapshot.draft.edit).toBeUndefined();
    accept("$new");
    await vi.waitFor(() => {
      expect(app.outbox.snapshot[0]?.event).toBe("$new");
    });
    expect(composer.editLast()).toBe(true);
    expect(composer.snapshot.draft).toMatchObject({ text: "the newer one", edit: { item: "$new" } });
    composer.leaveAbout();
    show(message("$1", anna), message("$new", anna));
    expect(composer.editLast()).toBe(true);
    expect(composer.snapshot.draft).toMatchObject({ text: "$new", edit: { item: "$new" } });
    end();
  });

  it("finds people by any part of their name, and names them", async () => {
    desk.composer.type("@ros");
    await vi.waitFor(() => {
      expect(desk.composer.snapshot.suggestions.map((one) => one.key)).toEqual([chiara.id]);
    });
    desk.composer.choose();
    expect(desk.composer.content()).toMatchObject({ text: "@Chiara Rossi", mentions: [chiara.id] });
  });

  it("says how much too long a text is, and does not send it", async () => {
    desk.composer.type("ä".repeat(10_001));
    expect(desk.composer.snapshot).toMatchObject({ excess: 2, canSend: false });
    await desk.composer.send();
    expect(app.outbox.snapshot).toEqual([]);
  });

  it("keeps what was to be sent later when the server does not take it", async () => {
    desk.composer.type("in the morning");
    app.refuse = true;
    await expect(desk.composer.sendLater(5_000)).rejects.toThrow();
    expect(desk.composer.snapshot.draft.text).toBe("in the morning");
    app.refuse = false;
    await desk.composer.sendLater(5_000);
    expect(desk.composer.snapshot.draft.text).toBe("");
    expect(app.asked.filter((one) => one.startsWith("schedule"))).toEqual(["schedule !r in the morning 5000", "schedule !r in the morning 5000"]);
  });
});
