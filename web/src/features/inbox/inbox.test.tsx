// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";

import { WordsProvider } from "../../i18n/words.tsx";
import type { RoomSummary } from "../../store/model.ts";
import { ben, chiara, roomOf, testApp, type TestApp } from "../../testing/app.ts";
import { speak } from "../../testing/words.ts";
import { AppContext } from "../context.ts";
import { RoomsView } from "../rooms/RoomsView.tsx";
import { InboxView } from "./InboxView.tsx";

afterEach(cleanup);

function show(rooms: readonly RoomSummary[], app: TestApp = testApp()): TestApp {
  app.rooms.set(rooms);
  render(
    <WordsProvider speech={speak("en")}>
      <AppContext value={app}>
        <InboxView />
      </AppContext>
    </WordsProvider>,
  );
  return app;
}

it("says of each conversation what is new, and marks a mention differently", () => {
  const app = show([
    roomOf("!1", { name: "Ward 3", unread: 4, mentions: 1, last: { kind: "voice", sender: ben, own: false } }),
    roomOf("!2", { name: ben.name, direct: ben, notify: "none", last: { kind: "text", sender: ben, own: true, text: "on my way" } }),
    roomOf("!3", { name: "Theatre", markedUnread: true, last: { kind: "decrypting" } }),
  ]);
  act(() => {
    app.presence.set(new Map([[ben.id, "online"]]));
  });
  const unread = screen.getByRole("list", { name: "Unread" });
  const ward = within(unread).getByRole("link", { name: /Ward 3/ });
  expect(within(ward).getByRole("img", { name: "You are mentioned" })).toBeTruthy();
  expect(within(ward).getByRole("img", { name: "4 unread messages" })).toBeTruthy();
  expect(ward.textContent).toContain("Ben Okafor: Voice message");
  expect(within(unread).getByRole("link", { name: /Theatre.*Decrypting.*Marked as unread/ })).toBeTruthy();
  expect(within(screen.getByRole("list", { name: "Recent" })).getByRole("link", { name: /Available.*Ben Okafor.*Muted.*You: on my way/ })).toBeTruthy();
});

it("shows who is writing before a draft before the last message", () => {
  const app = show([roomOf("!1", { name: "Ward 3", last: { kind: "text", sender: ben, own: false, text: "hello" } })]);
  const line = screen.getByRole("link", { name: /Ward 3/ });
  expect(line.textContent).toContain("Ben Okafor: hello");
  act(() => {
    app.drafts.keep("!1", { ...app.drafts.get("!1"), text: "half a" });
  });
  expect(line.textContent).toContain("Draft: half a");
  act(() => {
    app.typing.set(new Map([["!1", [ben, chiara]]]));
  });
  expect(line.textContent).toContain("Ben Okafor and Chiara Rossi are writing");
});

it("is one stop of the Tab key, in which the arrow keys move", () => {
  show([roomOf("!1", { name: "One" }), roomOf("!2", { name: "Two" }), roomOf("!3", { name: "Three", tag: "low" })]);
  const lines = within(screen.getByRole("list", { name: "Conversations" })).getAllByRole("link");
  expect(lines.map((line) => line.tabIndex)).toEqual([0, -1, -1]);
  lines[0]?.focus();
  fireEvent.keyDown(document.activeElement ?? document.body, { key: "End" });
  expect(document.activeElement).toBe(lines[2]);
  fireEvent.keyDown(document.activeElement ?? document.body, { key: "ArrowUp" });
  expect(document.activeElement).toBe(lines[1]);
  expect(lines.map((line) => line.tabIndex)).toEqual([-1, 0, -1]);
});

it("asks again before an inviter is blocked", async () => {
  const app = show([roomOf("!1", { name: ben.name, direct: ben, membership: "invited", inviter: ben })]);
  fireEvent.click(screen.getByRole("button", { name: "Block" }));
  expect(app.asked).toEqual([]);
  await act(async () => {
    fireEvent.click(screen.getByRole("button", { name: "Decline and block" }));
    await Promise.resolve();
  });
  expect(app.asked).toEqual(["decline !1", `block ${ben.id}`]);
});

it("offers rooms that can be found with the way in", async () => {
  const app = testApp();
  const room = { name: "Pharmacy", topic: "Ask the pharmacist", picture: undefined, members: 3, space: false };
  app.published = [
    { ...room, id: "!1", entry: "open" },
    { ...room, id: "!2", name: "Theatre", entry: "ask" },
    { ...room, id: "!3", name: "Board", entry: "closed" },
  ];
  render(
    <WordsProvider speech={speak("en")}>
      <AppContext value={app}>
        <RoomsView space={undefined} />
      </AppContext>
    </WordsProvider>,
  );
  expect(await screen.findByRole("button", { name: "Join Pharmacy" })).toBeTruthy();
  expect(screen.getByText("By invitation")).toBeTruthy();
  fireEvent.click(screen.getByRole("button", { name: "Ask to join Theatre" }));
  fireEvent.change(screen.getByLabelText(/Why/), { target: { value: "late shift" } });
  await act(async () => {
    fireEvent.submit(screen.getByLabelText(/Why/));
    await Promise.resolve();
  });
  expect(app.asked).toEqual(["rooms ", "knock !2 late shift"]);
});
