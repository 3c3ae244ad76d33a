import { describe, expect, it } from "vitest";

import { roomOf, testApp } from "../testing/app.ts";
import { can, perform } from "./Action.ts";
import { commands } from "./commands.ts";
import { nextConversation, nextUnread, previousConversation } from "./go.ts";
import { isBare, pressed, type Press } from "./shortcut.ts";

function press(key: string, change: Partial<Press> = {}): Press {
  return { key, code: "", ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...change };
}

describe("shortcuts", () => {
  it.each([
    ["Ctrl+K", { key: "k", mod: true }, press("k", { ctrlKey: true }), true],
    ["Command+K", { key: "k", mod: true }, press("k", { metaKey: true }), true],
    ["K alone", { key: "k", mod: true }, press("k"), false],
    ["Ctrl+Shift+K", { key: "k", mod: true }, press("K", { ctrlKey: true, shiftKey: true }), false],
    ["K on an Arabic keyboard", { key: "k", mod: true }, press("ن", { code: "KeyK", ctrlKey: true }), true],
    ["the comma on an Arabic keyboard", { key: ",", mod: true }, press("و", { code: "Comma", ctrlKey: true }), true],
    ["a sign that needs Shift here", { key: "?" }, press("?", { shiftKey: true }), true],
    ["Alt+Down", { key: "ArrowDown", alt: true }, press("ArrowDown", { altKey: true }), true],
  ] as const)("knows %s", (_, shortcut, event, is) => {
    expect(pressed(shortcut, event)).toBe(is);
  });

  it("are each for one command only", () => {
    const all = commands.flatMap((action) => (action.shortcuts ?? []).map((shortcut) => JSON.stringify(shortcut)));
    expect(new Set(all).size).toBe(all.length);
    expect(new Set(commands.map((action) => action.id)).size).toBe(commands.length);
  });

  it("without a modifier are left to who writes", () => {
    expect([isBare({ key: "?" }), isBare({ key: "k", mod: true }), isBare({ key: "Escape" })]).toEqual([true, false, false]);
  });
});

describe("going on", () => {
  it("steps through the conversations, and to the next unread one around the end", async () => {
    const app = testApp(undefined, "/room/!2");
    app.rooms.set([roomOf("!1", { unread: 2 }), roomOf("!2"), roomOf("!3"), roomOf("!4", { membership: "invited" })]);
    await perform(app, nextConversation, undefined);
    expect(app.route.snapshot).toEqual({ at: "room", room: "!3" });
    await perform(app, nextUnread, undefined);
    expect(app.route.snapshot).toEqual({ at: "room", room: "!1" });
    expect(can(app, previousConversation, undefined)).toBe(false);
    expect(can(app, nextUnread, undefined)).toBe(false);
  });
});

describe("perform", () => {
  it("tells when something did not work", async () => {
    const app = testApp();
    await perform(app, { id: "x", label: "inbox.new", icon: "plus", run: () => Promise.reject(new Error("no")) }, undefined);
    expect(app.notices.snapshot).toMatchObject({ kind: "failed" });
  });

  it("offers nothing to somebody who is not signed in", () => {
    const app = testApp();
    app.session.set({ phase: "signedOut", ended: false });
    expect(commands.filter((action) => can(app, action, undefined)).every((action) => /^(prefer|text|shortcuts)/.test(action.id))).toBe(true);
  });
});
