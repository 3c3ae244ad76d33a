// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";

import { WordsProvider } from "../../i18n/words.tsx";
import { Store } from "../../store/Store.ts";
import type { MediaBody, MediaKind, MediaState } from "../../store/media.ts";
import { ben, mediaOf, testApp, timelineOf, type TestApp } from "../../testing/app.ts";
import { speak } from "../../testing/words.ts";
import { AppContext } from "../context.ts";
import { MediaView } from "./MediaView.tsx";
import { RoomFilesView } from "./RoomFilesView.tsx";
import { SendingView } from "./SendingView.tsx";

afterEach(cleanup);

function body(kind: MediaKind, name: string, change: Partial<MediaBody> = {}): MediaBody {
  const source = { url: `mxc://s/${name}`, type: "application/octet-stream", size: 2_400_000, file: undefined };
  return { kind, name, caption: "", source, thumbnail: undefined, width: 4, height: 3, duration: 65_000, waveform: [], blurhash: undefined, ...change };
}

/** Every file is there at once. */
function readyApp(): TestApp {
  const app = testApp(undefined, "/room/!r");
  app.homeserver.media = (source) => new Store<MediaState>({ state: "ready", url: `blob:${source.url}` });
  return app;
}

function show(app: TestApp, view: ReactNode): void {
  render(
    <WordsProvider speech={speak("en")}>
      <AppContext value={app}>{view}</AppContext>
    </WordsProvider>,
  );
}

describe("MediaView", () => {
  it("shows a picture with its words, and opens it large among the others of the room", () => {
    const app = readyApp();
    const all = ["a.png", "b.png"].map((name) => body("picture", name, { caption: name === "a.png" ? "left arm" : "" }));
    app.timelines.set("!r", new Store(timelineOf("!r", { items: all.map((one) => ({ kind: "message", id: one.name, at: 0, sender: ben, own: false, edited: false, body: one, txn: undefined })) })));
    show(app, <MediaView body={all[0] ?? body("picture", "")} />);
    expect(screen.getByText("left arm")).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Open picture a.png" }));
    const viewer = screen.getByRole("dialog", { name: "Picture a.png" });
    expect(within(viewer).getByRole("button", { name: "Previous" }).getAttribute("aria-disabled")).toBe("true");
    fireEvent.keyDown(within(viewer).getByRole("button", { name: "Close" }), { key: "ArrowRight" });
    expect(within(viewer).getByRole("img", { name: "Picture b.png" })).toBeTruthy();
    expect(within(viewer).getByText("2 of 2")).toBeTruthy();
    fireEvent.keyDown(within(viewer).getByRole("button", { name: "Close" }), { key: "+" });
    expect(within(viewer).getByRole("group", { name: "Picture at 150 %" })).toBeTruthy();
  });

  it("names a file by what it is and how large, and offers it only to be saved", () => {
    show(readyApp(), <MediaView body={body("file", "plan.html")} />);
    expect(screen.getByText(/HTML.* · .*2\.4 MB/)).toBeTruthy();
    expect(screen.queryByRole("link")).toBeNull();
    expect(screen.getByRole("button", { name: "Download plan.html" })).toBeTruthy();
  });

  it("tells where in a voice message one is", () => {
    show(readyApp(), <MediaView body={body("voice", "voice.ogg", { waveform: [1, 2] })} />);
    const player = screen.getByRole("group", { name: "Voice message" });
    const place = within(player).getByRole("slider", { name: "Position" });
    expect(place.getAttribute("aria-valuetext")).toBe("0:00 of 1:05");
    fireEvent.keyDown(place, { key: "ArrowRight" });
    expect(place.getAttribute("aria-valuetext")).toBe("0:02 of 1:05");
    fireEvent.click(within(player).getByRole("button", { name: "Speed 1×" }));
    expect(within(player).getByRole("button", { name: "Speed 1.5×" })).toBeTruthy();
  });
});

describe("SendingView", () => {
  it("says how much is there and can be stopped, and why a file was not taken", async () => {
    const app = readyApp();
    const media = mediaOf(new File(["x"], "scan.bin"));
    await app.outbox.enqueue("!r", media);
    app.outbox.progress.set(new Map([["txn1", 0.42]]));
    show(app, <SendingView txn="txn1" media={media} fault={undefined} />);
    expect(screen.getByRole("progressbar", { name: "Sending the file" }).getAttribute("value")).toBe("0.42");
    expect(screen.getByText("42 %")).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Stop sending" }));
    await vi.waitFor(() => {
      expect(app.outbox.snapshot).toEqual([]);
    });
    cleanup();
    show(app, <SendingView txn="txn2" media={media} fault="tooLarge" />);
    expect(screen.getByText(/larger than your hospital allows/)).toBeTruthy();
  });
});

describe("RoomFilesView", () => {
  it("sets pictures apart from files, newest first, and looks further back when asked", () => {
    const app = readyApp();
    const bodies = [body("file", "old.pdf"), body("picture", "a.png"), body("file", "new.pdf"), body("video", "b.mp4", { thumbnail: body("picture", "t").source })];
    const items = bodies.map((one, at) => ({ kind: "message" as const, id: one.name, at, sender: ben, own: false, edited: false, body: one, txn: undefined }));
    app.timelines.set("!r", new Store(timelineOf("!r", { items, history: "more" })));
    show(app, <RoomFilesView room="!r" />);
    expect(screen.getAllByRole("button", { name: /^Download/ }).map((button) => button.getAttribute("aria-label"))).toEqual(["Download new.pdf", "Download old.pdf"]);
    expect(screen.getByRole("button", { name: "Open picture a.png" })).toBeTruthy();
    expect(screen.getByRole("button", { name: "Play video b.mp4" })).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Look further back" }));
    expect(app.asked).toContain("older !r");
  });

  it("says what would stand there when there is nothing", () => {
    const app = readyApp();
    app.timelines.set("!r", new Store(timelineOf("!r")));
    show(app, <RoomFilesView room="!r" />);
    expect(screen.getByText("No files yet")).toBeTruthy();
  });
});
