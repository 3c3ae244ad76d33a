import { beforeEach, describe, expect, it } from "vitest";

import { Unfit } from "../../store/media.ts";
import { mediaOf, testApp, type TestApp } from "../../testing/app.ts";
import { AttachViewModel } from "./AttachViewModel.ts";
import { recordingFile } from "./capture.ts";
import { boxOf, isMeant, moved, type Mark } from "./marks.ts";
import { barsOf, loudness, waveformOf } from "./waveform.ts";
import { lengthOf } from "./words.ts";

const picture = (name: string): File => new File(["picture"], name, { type: "image/png" });

describe("AttachViewModel", () => {
  let app: TestApp;
  let edits: (readonly Mark[])[];
  let model: AttachViewModel;
  const sent = (): unknown[] => app.outbox.snapshot.map(({ content }) => (content.kind === "media" ? [content.name, content.caption] : content));

  beforeEach(async () => {
    app = testApp();
    edits = [];
    model = new AttachViewModel(app, "!r", (original, marks) => {
      edits.push(marks);
      return Promise.resolve(new File([original, String(marks.length)], original.name, { type: original.type }));
    });
    await app.outbox.start();
  });

  it("sends what was chosen in order, each with its own words", async () => {
    await model.add([picture("a.png"), picture("b.png")]);
    const [a, b] = model.snapshot.pieces;
    expect(model.snapshot).toMatchObject({ open: "pieces", canSend: true, chosen: a });
    model.caption(b?.id ?? 0, " after ");
    await model.send();
    expect(sent()).toEqual([
      ["a.png", ""],
      ["b.png", "after"],
    ]);
    expect(model.snapshot).toMatchObject({ open: "no", pieces: [] });
  });

  it("sends only the edited picture, and the whole one again after undo", async () => {
    await model.add([picture("a.png")]);
    const id = model.snapshot.chosen?.id ?? 0;
    await model.mark(id, { kind: "turn" });
    await model.mark(id, { kind: "blur", area: { from: { x: 0, y: 0 }, to: { x: 1, y: 1 } } });
    expect(edits.at(-1)).toHaveLength(2);
    expect(model.snapshot.chosen?.ready?.blob.size).toBe(8);
    await model.undo(id);
    await model.undo(id);
    expect(model.snapshot.chosen?.ready?.blob.size).toBe(7);
  });

  it("counts what was asked for last, whichever is ready first", async () => {
    const waiting: (() => void)[] = [];
    const { prepare } = app.homeserver;
    app.homeserver.prepare = async (file, wish) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { ...(await prepare(file, wish)), name: wish.size };
    };
    const added = model.add([picture("a.png")]);
    await Promise.resolve();
    await Promise.resolve();
    const resized = model.resize("small");
    expect(model.snapshot.canSend).toBe(false);
    await Promise.resolve();
    waiting[1]?.();
    await resized;
    waiting[0]?.();
    await added;
    expect(model.snapshot.chosen?.ready?.name).toBe("small");
  });

  it("sends nothing while one of them cannot be sent, and says why", async () => {
    app.homeserver.uploadLimit = () => Promise.resolve(3);
    const { prepare } = app.homeserver;
    app.homeserver.prepare = (file, wish) => (file.name.endsWith("heic") ? Promise.reject(new Unfit("heic")) : prepare(file, wish));
    await model.add([picture("large.png"), picture("b.heic")]);
    expect(model.snapshot.pieces.map((piece) => piece.fault)).toEqual(["tooLarge", "heic"]);
    await model.send();
    expect(sent()).toEqual([]);
    for (const { id } of model.snapshot.pieces) model.remove(id);
    expect(model.snapshot.open).toBe("no");
  });

  it("keeps what this device has no room for, and says so", async () => {
    app.shelf.full = true;
    await model.add([picture("a.png")]);
    await model.send();
    expect(model.snapshot).toMatchObject({ full: true, busy: false, open: "pieces" });
    expect(model.snapshot.pieces).toHaveLength(1);
  });

  it("goes back from the camera to what was chosen before", async () => {
    model.openCamera();
    model.back();
    expect(model.snapshot.open).toBe("no");
    await model.add([picture("a.png")]);
    model.openCamera();
    model.back();
    expect(model.snapshot.open).toBe("pieces");
    model.discard();
    expect(model.snapshot).toMatchObject({ open: "no", pieces: [] });
  });

  it("sends a voice message with its length and its wave", async () => {
    model.openVoice();
    app.homeserver.prepare = (file, wish) => Promise.resolve(mediaOf(file, { as: "voice", duration: wish.duration, waveform: wish.waveform ?? [] }));
    await model.sendVoice(new File(["x"], "voice.ogg", { type: "audio/ogg" }), 900, [1, 1024]);
    expect(app.outbox.snapshot[0]?.content).toMatchObject({ as: "voice", duration: 900, waveform: [1, 1024] });
    expect(model.snapshot).toMatchObject({ open: "no", busy: false });
  });

  it("says that a voice message could not be made, and lets it be tried again", async () => {
    model.openVoice();
    const { prepare } = app.homeserver;
    app.homeserver.prepare = () => Promise.reject(new Error("no memory"));
    const recording = new File(["x"], "voice.ogg", { type: "audio/ogg" });
    await model.sendVoice(recording, 900, [1]);
    expect(model.snapshot).toMatchObject({ open: "voice", busy: false, unmade: true });
    app.homeserver.prepare = prepare;
    await model.sendVoice(recording, 900, [1]);
    expect(model.snapshot).toMatchObject({ open: "no", busy: false, unmade: false });
  });
});

describe("marks", () => {
  const area = { from: { x: 0.8, y: 0.1 }, to: { x: 0.6, y: 0.3 } };

  it("are the same drawn from either corner", () => {
    const { left, top, width, height } = boxOf(area);
    expect([left, top, width, height].map((value) => Math.round(value * 100))).toEqual([60, 10, 20, 20]);
  });

  it("never leave the picture, and keep their size when they are moved", () => {
    expect(moved(area, { x: 0.5, y: -0.5 }, false)).toEqual({ from: { x: 1, y: 0 }, to: { x: expect.closeTo(0.8) as number, y: expect.closeTo(0.2) as number } });
    expect(moved(area, { x: -0.9, y: 0.9 }, true)).toEqual({ from: area.from, to: { x: 0, y: 1 } });
  });

  it("are not slips of the finger", () => {
    expect(isMeant("crop", { from: { x: 0.5, y: 0.5 }, to: { x: 0.505, y: 0.9 } })).toBe(false);
    expect(isMeant("arrow", { from: { x: 0.5, y: 0.5 }, to: { x: 0.5, y: 0.9 } })).toBe(true);
  });
});

describe("waveform", () => {
  it("has as many numbers as asked for, the loudest at 1024", () => {
    expect(waveformOf([0, 0.1, 0.2, 0.4, 0.05, 0], 3)).toEqual([256, 1024, 128]);
    expect(waveformOf([0.5], 4)).toEqual([1024, 1024, 1024, 1024]);
    expect(waveformOf([0, 0], 2)).toEqual([0, 0]);
    expect(waveformOf([], 3)).toEqual([]);
  });

  it("is drawn from what anybody sent", () => {
    expect(barsOf([0, 512, 1024], 3)).toEqual([0, 0.5, 1]);
    expect(barsOf([], 2)).toEqual([0, 0]);
  });

  it("hears silence as nothing and full sound as everything", () => {
    expect(loudness(new Float32Array(8))).toBe(0);
    expect(loudness(Float32Array.from([1, -1, 1, -1]))).toBe(1);
    expect(loudness(new Float32Array())).toBe(0);
  });
});

describe("small things", () => {
  it("names recordings after what they are, and times as clocks do", () => {
    expect(["audio/ogg;codecs=opus", "audio/mp4", "video/mp4;codecs=avc1", "video/webm;codecs=vp8,opus"].map((type) => recordingFile([], type, "x").name)).toEqual(["x.ogg", "x.m4a", "x.mp4", "x.webm"]);
    expect([0, 61_000, 3_599_600].map(lengthOf)).toEqual(["0:00", "1:01", "60:00"]);
  });
});
