import { beforeEach, describe, expect, it } from "vitest";

import { Store } from "../../store/Store.ts";
import { hindrance, isLastOwner, may, roleOf, rolesFor } from "../../store/roles.ts";
import { anna, ben, chiara, detailsOf, memberOf, roomOf, testApp, type TestApp } from "../../testing/app.ts";
import { NoticesViewModel } from "./NoticesViewModel.ts";
import { PaneViewModel } from "./PaneViewModel.ts";

describe("roles", () => {
  const moderator = memberOf(anna, 50);
  const details = detailsOf("!r", { me: moderator, people: [memberOf(ben, 100), moderator, memberOf(chiara)] });

  it("say in words what a level means", () => {
    expect([Infinity, 150, 100, 99, 50, 10, 0, -1].map((level) => roleOf(level))).toEqual(["owner", "owner", "administrator", "moderator", "moderator", "member", "member", "reader"]);
    expect(roleOf(0, 10)).toBe("reader");
  });

  it("let nobody act on who has as much power as they", () => {
    expect(may(details, "remove")).toBe(true);
    expect(hindrance(details, "remove", memberOf(chiara))).toBeUndefined();
    expect(hindrance(details, "remove", memberOf(ben, 50))).toBe("stronger");
    expect(hindrance(details, "roles", memberOf(chiara))).toBe("needs");
    expect(hindrance(details, "ban", moderator)).toBe("self");
    expect(hindrance(detailsOf("!r", { me: memberOf(anna, 100, { membership: "invited" }) }), "ban", memberOf(ben))).toBe("needs");
  });

  it("can be given up to one's own, and not taken from who made the room", () => {
    const mine = memberOf(anna, 100);
    const all = detailsOf("!r", { me: mine, people: [mine, memberOf(chiara)] });
    expect(rolesFor(all, memberOf(chiara))).toEqual(["member", "moderator", "administrator"]);
    expect(rolesFor(all, mine)).toEqual(["member", "moderator", "administrator"]);
    expect(rolesFor(detailsOf("!r"), memberOf(anna, Infinity))).toEqual([]);
    expect(isLastOwner(all)).toBe(true);
    expect(isLastOwner({ ...all, people: [mine, memberOf(ben, 100)] })).toBe(false);
  });
});

describe("PaneViewModel", () => {
  let app: TestApp;
  let model: PaneViewModel;
  beforeEach(() => {
    app = testApp(undefined, "/room/!r/people");
    app.rooms.set([roomOf("!r", { name: "Ward 3" })]);
    app.details.set("!r", new Store(detailsOf("!r", { people: [memberOf(anna, Infinity), memberOf(ben)] })));
    model = new PaneViewModel(app, "!r");
  });

  it("leaves only when asked twice, and says when it did not work", async () => {
    model.ask({ about: "leave" });
    app.refuse = true;
    await model.leave(false);
    expect(model.snapshot).toMatchObject({ question: { about: "leave" }, failed: true });
    app.refuse = false;
    await model.leave(true);
    expect(app.asked).toEqual(["leave !r", "forget !r"]);
    expect(app.route.snapshot).toEqual({ at: "inbox" });
  });

  it("gives roles, removes and bans with a reason, and then asks no more", async () => {
    const member = memberOf(ben);
    model.ask({ about: "role", member, role: "moderator" });
    await model.setRole(member, "moderator");
    model.ask({ about: "ban", member });
    model.say(" left the house ");
    await model.ban(member);
    expect(app.asked).toEqual([`level !r ${ben.id} 50`, `ban !r ${ben.id} left the house`]);
    expect(model.snapshot.question).toBeUndefined();
  });

  it("answers who knocks", async () => {
    await model.answer(memberOf(chiara), true);
    await model.answer(memberOf(chiara), false);
    expect(app.asked).toEqual([`invite !r ${chiara.id}`, `remove !r ${chiara.id}`]);
  });

  it("saves the name and the topic once, and keeps them when that fails", async () => {
    await model.saveName();
    model.typeName(" Ward 4 ");
    app.refuse = true;
    await model.saveName();
    expect(model.snapshot).toMatchObject({ name: " Ward 4 ", failed: true });
    app.refuse = false;
    await model.saveName();
    expect(app.asked).toEqual(["name !r Ward 4", "name !r Ward 4"]);
    expect(model.snapshot.name).toBeUndefined();
  });

  it("asks once whether the room can be found", async () => {
    await model.lookListed();
    await model.lookListed();
    await model.setListed(true);
    expect(app.asked).toEqual(["listed !r", "list !r true"]);
    expect(model.snapshot.listed).toBe(true);
  });
});

describe("NoticesViewModel", () => {
  it("joins the room that took the place of this one, once", async () => {
    const app = testApp(undefined, "/room/!r");
    app.rooms.set([roomOf("!r")]);
    app.details.set("!r", new Store(detailsOf("!r", { replacement: "!new" })));
    const model = new NoticesViewModel(app, "!r");
    app.refuse = true;
    await model.follow();
    expect(model.snapshot.failed).toBe(true);
    app.refuse = false;
    await model.follow();
    app.rooms.set([roomOf("!r"), roomOf("!new")]);
    await model.follow();
    expect(app.asked).toEqual(["join !new", "join !new"]);
    expect(app.route.snapshot).toEqual({ at: "room", room: "!new" });
  });
});
