// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";

import { WordsProvider } from "../i18n/words.tsx";
import { Refusal } from "../store/Homeserver.ts";
import { Store } from "../store/Store.ts";
import type { MessageItem } from "../store/model.ts";
import { anna, ben, chiara, roomOf, testApp, timelineOf, type TestApp } from "../testing/app.ts";
import { speak } from "../testing/words.ts";
import { AppView } from "./AppView.tsx";
import { screens } from "./shell/screens.ts";

beforeAll(() => Promise.all(screens.map((screen) => screen.load())));
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

const day = new Date(2026, 2, 3, 14, 0).getTime();

function show(app: TestApp): void {
  render(
    <WordsProvider speech={speak("en")}>
      <AppView app={app} />
    </WordsProvider>,
  );
}

function say(id: string, sender = ben, change: Partial<MessageItem> = {}): MessageItem {
  return { kind: "message", id, at: day, sender, own: sender === anna, edited: false, body: { kind: "text", text: id }, txn: undefined, ...change };
}

function roomApp(items: readonly MessageItem[], deliver?: Parameters<typeof testApp>[0]): TestApp {
  const app = testApp(deliver, "/room/!r", () => day);
  app.rooms.set([roomOf("!r", { name: "Ward 3", members: 3 })]);
  app.timelines.set("!r", new Store(timelineOf("!r", { items, others: [ben, chiara], marks: [{ person: ben, item: items.at(-1)?.id ?? "", at: day }] })));
  return app;
}

describe("sign-in", () => {
  it("offers the demo people by name and signs one in", () => {
    const app = testApp();
    app.session.set({ phase: "signedOut", ended: false });
    show(app);
    expect(screen.queryByText("Sign in as somebody")).toBeNull();
    act(() => {
      app.demo.set({ hospital: "Riverside", people: [{ user: ben.id, name: ben.name, role: "Nurse", department: "Ward 3", password: "x" }] });
    });
    fireEvent.click(screen.getByRole("button", { name: /Ben Okafor/ }));
    expect(app.asked).toEqual([`sign in ${ben.id}`]);
  });

  it("tells what is wrong where a screen reader hears it", async () => {
    const app = testApp();
    app.session.set({ phase: "signedOut", ended: false });
    app.signInFault = "unreachable";
    show(app);
    fireEvent.change(screen.getByLabelText("User name"), { target: { value: "anna" } });
    fireEvent.change(screen.getByLabelText("Password"), { target: { value: "x" } });
    fireEvent.click(screen.getByRole("button", { name: "Sign in" }));
    expect((await screen.findByText(/not reachable/)).closest("[role=alert]")).not.toBeNull();
  });
});

describe("conversation", () => {
  it("names who wrote and who has read", () => {
    show(roomApp([say("from Ben"), say("from me", anna)]));
    expect(screen.getByRole("article", { name: "Ben Okafor, 14:00" }).textContent).toContain("from Ben");
    const own = screen.getByRole("article", { name: "You, 14:00" });
    expect(within(own).getByRole("button", { name: "Read by 1 of 2" })).toBeTruthy();
  });

  it("explains in plain words what cannot be read yet", () => {
    show(roomApp([say("a", ben, { body: { kind: "waiting", reason: "arriving" } }), say("b", chiara, { body: { kind: "removed" } })]));
    expect(screen.getByText(/Waiting for the key/)).toBeTruthy();
    expect(screen.getByText("Message removed")).toBeTruthy();
  });

  it("shows a message as sent only once the server has it", async () => {
    let answer: (event: string) => void = () => undefined;
    const app = roomApp([], () => new Promise((resolve) => (answer = resolve)));
    await app.outbox.start();
    show(app);
    fireEvent.change(screen.getByRole("textbox", { name: "Message" }), { target: { value: "hello" } });
    fireEvent.click(screen.getByRole("button", { name: "Send" }));
    expect((await screen.findByText("hello", { selector: "article *" })).closest("article")?.textContent).toContain("Sending");
    await act(async () => {
      answer("$1");
      await Promise.resolve();
    });
    expect((await screen.findByText("Sent")).closest("article")?.textContent).toContain("hello");
  });

  it("offers to send again what was refused", async () => {
    const app = roomApp([], () => Promise.reject(new Refusal("forbidden", "no")));
    await app.outbox.start();
    await app.outbox.enqueue("!r", { kind: "text", text: "hello" });
    show(app);
    expect(await screen.findByText("Not sent")).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Delete" }));
    await vi.waitFor(() => {
      expect(screen.queryByText("hello")).toBeNull();
    });
  });
});

describe("frame", () => {
  it("says when the server is away, and marks a demo", () => {
    const app = testApp();
    app.demo.set({ hospital: "Riverside", people: [] });
    app.connection.set("unreachable");
    show(app);
    expect(screen.getByText(/Demo hospital/)).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Try now" }));
    expect(app.asked).toContain("retry");
  });

  it("moves through the conversations with the arrow keys", () => {
    const app = testApp();
    app.rooms.set([roomOf("!1", { name: "One" }), roomOf("!2", { name: "Two" })]);
    show(app);
    const [one, two] = within(screen.getByRole("list", { name: "Conversations" })).getAllByRole("link");
    one?.focus();
    fireEvent.keyDown(one ?? document.body, { key: "ArrowDown" });
    expect(document.activeElement).toBe(two);
    fireEvent.click(two ?? document.body);
    expect(app.route.snapshot).toEqual({ at: "room", room: "!2" });
  });
});
