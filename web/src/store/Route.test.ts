import { describe, expect, it } from "vitest";

import { pathOf, placeOf, Route, type Place } from "./Route.ts";

const places: readonly Place[] = [
  { at: "inbox" }, { at: "people" }, { at: "me" }, { at: "me", section: "devices" }, { at: "rooms" }, { at: "rooms", space: "!s/1" }, { at: "room", room: "!a", pane: "people" }, { at: "room", room: "!a:b", item: "$e/f" }, { at: "room", room: "!a:b", thread: "$root" }, { at: "room", room: "!a:b", side: "threads" }, { at: "room", room: "!a:b", side: "search" }, { at: "room", room: "!a:b", item: "$e/f", side: "search" }, { at: "search" }, { at: "room", room: "!abc/def:example.org" }, { at: "room", room: "!hash-only_of-version12" },
];

describe("Route", () => {
  it.each(places)("finds the way back to $at", (place) => {
    expect(placeOf(pathOf(place))).toEqual(place);
  });

  it.each(["/nowhere", "/room", "/room/", "/room/%E0%A4%A", "/rooms/%E0%A4%A", ""])("goes to the inbox for %s", (path) => {
    expect(placeOf(path)).toEqual({ at: "inbox" });
  });

  it("follows the browser's back button", () => {
    let path = "/me";
    let back = (): void => undefined;
    const route = new Route({
      get path() {
        return path;
      },
      push: (next) => {
        path = next;
      },
      replace: (next) => {
        path = next;
      },
      listen: (listener) => {
        back = listener;
      },
    });
    route.go({ at: "room", room: "!a" });
    expect(path).toBe("/room/!a");
    path = "/me";
    back();
    expect(route.snapshot).toEqual({ at: "me" });
    route.replace({ at: "inbox" });
    expect(path).toBe("/");
  });
});
