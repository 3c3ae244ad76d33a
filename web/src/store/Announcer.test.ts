import { expect, it } from "vitest";

import { roomOf, testApp } from "../testing/app.ts";
import { Announcer } from "./Announcer.ts";

it("announces what is new, but not what is being looked at or was there before", () => {
  const app = testApp();
  const heard: string[] = [];
  let watched = true;
  app.session.set({ phase: "signedOut", ended: false });
  new Announcer({ ...app, watched: () => watched, sound: () => heard.push("sound"), show: (room) => heard.push(room) });
  app.rooms.set([roomOf("!a", { unread: 3 }), roomOf("!b")]);
  app.session.set({ phase: "open", me: { id: "@a:x", name: "A" }, device: "D" });
  expect(heard).toEqual([]);
  app.rooms.set([roomOf("!a", { unread: 4 }), roomOf("!b")]);
  expect(heard.splice(0)).toEqual(["sound"]);
  app.route.go({ at: "room", room: "!a" });
  app.rooms.set([roomOf("!a", { unread: 5 }), roomOf("!b")]);
  expect(heard).toEqual([]);
  watched = false;
  app.preferences.choose({ outside: "on", sound: "off" });
  app.rooms.set([roomOf("!a", { unread: 6 }), roomOf("!b"), roomOf("!c", { membership: "invited" })]);
  expect(heard.splice(0)).toEqual(["!a"]);
  app.rooms.set([roomOf("!a"), roomOf("!b"), roomOf("!c", { membership: "invited" })]);
  expect(heard).toEqual([]);
});
