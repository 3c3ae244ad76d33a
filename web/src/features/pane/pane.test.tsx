// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { WordsProvider } from "../../i18n/words.tsx";
import type { RoomDetails } from "../../store/Rooms.ts";
import { Store } from "../../store/Store.ts";
import { anna, ben, chiara, detailsOf, memberOf, roomOf, testApp, timelineOf, type TestApp } from "../../testing/app.ts";
import { speak } from "../../testing/words.ts";
import { AppContext } from "../context.ts";
import { RoomView } from "../room/RoomView.tsx";

beforeEach(() => {
  vi.stubGlobal(
    "IntersectionObserver",
    class {
      observe(): void {
        // nothing is ever scrolled here
      }
      disconnect(): void {
        // nothing is ever scrolled here
      }
    },
  );
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function show(path: string, details: Partial<RoomDetails> = {}): TestApp {
  const app = testApp(undefined, path);
  app.rooms.set([roomOf("!r", { name: "Ward 3", members: 3 })]);
  app.timelines.set("!r", new Store(timelineOf("!r")));
  app.details.set("!r", new Store(detailsOf("!r", { people: [memberOf(anna, Infinity), memberOf(ben, 50), memberOf(chiara)], ...details })));
  app.presence.set(new Map([[ben.id, "away"]]));
  render(
    <WordsProvider speech={speak("en")}>
      <AppContext value={app}>
        <RoomView room="!r" />
      </AppContext>
    </WordsProvider>,
  );
  return app;
}

it("opens from the head of the room, shows what can be chosen, and closes with Escape", () => {
  const app = show("/room/!r", { topic: "Late shift" });
  const opener = screen.getByRole("button", { name: "People and details" });
  opener.focus();
  fireEvent.click(opener);
  const pane = screen.getByRole("complementary", { name: "Details" });
  expect(within(pane).getByText("Late shift")).toBeTruthy();
  fireEvent.change(within(pane).getByLabelText("Notify me"), { target: { value: "mentions" } });
  expect(app.asked).toContain("notify !r mentions");
  fireEvent.keyDown(pane, { key: "Escape" });
  expect(screen.queryByRole("complementary")).toBeNull();
  expect(document.activeElement).toBe(opener);
});

it("names people by their role, and asks before one is changed", async () => {
  const app = show("/room/!r/people");
  const list = screen.getByRole("region", { name: "3 people" });
  expect(within(list).getByText("Owner (you)")).toBeTruthy();
  expect(within(list).getByRole("img", { name: "Away" })).toBeTruthy();
  fireEvent.click(within(list).getByRole("button", { name: /Chiara Rossi/ }));
  fireEvent.change(screen.getByLabelText("Role"), { target: { value: "administrator" } });
  expect(app.asked).toEqual([]);
  await act(async () => {
    fireEvent.click(screen.getByRole("button", { name: "Change role" }));
    await Promise.resolve();
  });
  expect(app.asked).toEqual([`level !r ${chiara.id} 100`]);
});

it("says why somebody may not", () => {
  const me = memberOf(anna, 0);
  show("/room/!r/people", { me, people: [memberOf(ben, 100), me, memberOf(chiara)] });
  fireEvent.click(screen.getByRole("button", { name: /Ben Okafor/ }));
  const window = screen.getByRole("dialog", { name: "Ben Okafor" });
  expect(within(window).getByRole("button", { name: "Remove" }).getAttribute("aria-disabled")).toBe("true");
  expect(within(window).getByText("Only moderators and administrators may change this.")).toBeTruthy();
  expect(within(window).getByLabelText("Role")).toHaveProperty("disabled", true);
});

it("warns of patient data beside names and topics, and keeps closed what one may not change", () => {
  const me = memberOf(anna, 50);
  show("/room/!r/settings", { me, people: [me] });
  expect(screen.getByRole("textbox", { name: "Topic" }).getAttribute("aria-describedby")).not.toBeNull();
  expect(screen.getAllByText(/No patient names/)).toHaveLength(2);
  expect(screen.getByRole("group", { name: "Who can join" })).toHaveProperty("disabled", true);
  expect(screen.getByRole("radio", { name: "Only invited people" })).toHaveProperty("checked", true);
});

it("offers who may do what up to one's own role", () => {
  const me = memberOf(anna, 100);
  const app = show("/room/!r/permissions", { me, people: [me] });
  fireEvent.change(screen.getByLabelText("Invite people"), { target: { value: "50" } });
  expect(app.asked).toEqual(["needs !r invite 50"]);
  expect(screen.getByLabelText("Move to a new room")).toHaveProperty("disabled", true);
});

it("tells that somebody asks to be let in, and that the room has moved", () => {
  const app = show("/room/!r", { knocking: [memberOf(chiara, 0, { membership: "knocked", reason: "late shift" })], replacement: "!new" });
  expect(screen.getByText("This conversation goes on in a new room.")).toBeTruthy();
  fireEvent.click(screen.getByRole("link", { name: "Look" }));
  expect(screen.getByText("late shift")).toBeTruthy();
  fireEvent.click(screen.getByRole("button", { name: `Let in ${chiara.name}` }));
  expect(app.asked).toEqual([`invite !r ${chiara.id}`]);
});
