import { MatrixEvent, type Room } from "matrix-js-sdk";
import { describe, expect, it } from "vitest";

import type { EncryptedFile } from "../store/media.ts";
import { mediaOf } from "../testing/app.ts";
import { bodyOf, expiryType, messageBody } from "./events.ts";
import { expiryOf } from "./expiry.ts";
import { safeType } from "./media.ts";
import { mediaContent } from "./outgoing.ts";
import { fit, nameFor } from "./picture.ts";
import { roomName } from "./summary.ts";
import { deviceName, localPart } from "./wire.ts";

const file = { v: "v2", url: "mxc://s/1", key: { kty: "oct", alg: "A256CTR", ext: true, k: "k", key_ops: ["encrypt", "decrypt"] }, iv: "iv", hashes: { sha256: "h" } };

describe("messageBody", () => {
  it("reads texts, and whatever else has words", () => {
    expect(messageBody({ msgtype: "m.text", body: "hello" })).toEqual({ kind: "text", text: "hello" });
    expect(messageBody({ msgtype: "org.example.new", body: "fallback" })).toEqual({ kind: "text", text: "fallback" });
  });

  it("reads encrypted pictures with their thumbnails", () => {
    const info = { w: 4, h: 3, mimetype: "image/png", size: 10, thumbnail_file: { ...file, url: "mxc://s/2" }, thumbnail_info: { mimetype: "image/jpeg" } };
    expect(messageBody({ msgtype: "m.image", body: "ecg.png", file, info })).toMatchObject({
      kind: "picture",
      name: "ecg.png",
      width: 4,
      height: 3,
      source: { url: "mxc://s/1", type: "image/png", size: 10 },
      thumbnail: { url: "mxc://s/2", type: "image/jpeg" },
    });
  });

  it("reads plain files by their file name", () => {
    expect(messageBody({ msgtype: "m.file", body: "see this", filename: "plan.pdf", url: "mxc://s/1" })).toMatchObject({ kind: "file", name: "plan.pdf" });
  });

  it("tells voice messages from other sounds, and takes from others only waves that can be drawn", () => {
    const sound = { msgtype: "m.audio", body: "note.ogg", url: "mxc://s/1", info: { duration: 4000 } };
    expect(messageBody(sound)).toMatchObject({ kind: "audio", duration: 4000, waveform: [] });
    const voice = { ...sound, "org.matrix.msc3245.voice": {}, "org.matrix.msc1767.audio": { duration: 4100, waveform: [0, 512, 9000, "loud", -1] } };
    expect(messageBody(voice)).toMatchObject({ kind: "voice", duration: 4000, waveform: [0, 512, 1024, 0, 0] });
  });

  it("reads back what it writes", () => {
    const media = mediaOf(new File(["x"], "gait.webm", { type: "video/webm" }), { as: "video", caption: "after the fall", duration: 1200, blurhash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj", thumbnail: new Blob(["y"], { type: "image/jpeg" }), thumbnailWidth: 2, thumbnailHeight: 1 });
    const at: EncryptedFile = { ...file, v: "v2", key: { ...file.key, kty: "oct", alg: "A256CTR", ext: true } };
    const content = mediaContent(media, { blob: at, thumbnail: { ...at, url: "mxc://s/2" } });
    expect(messageBody(content)).toEqual({
      kind: "video",
      name: "gait.webm",
      caption: "after the fall",
      source: { url: "mxc://s/1", type: "video/webm", size: 1, file: at },
      thumbnail: { url: "mxc://s/2", type: "image/jpeg", size: 1, file: { ...at, url: "mxc://s/2" } },
      width: 4,
      height: 3,
      duration: 1200,
      waveform: [],
      blurhash: media.blurhash,
    });
    const voice = mediaContent(mediaOf(new File(["x"], "v.ogg", { type: "audio/ogg" }), { as: "voice", duration: 900, waveform: [1, 2] }), { blob: "mxc://s/3", thumbnail: undefined });
    expect(voice).toMatchObject({ msgtype: "m.audio", url: "mxc://s/3", "org.matrix.msc3245.voice": {}, "org.matrix.msc1767.audio": { duration: 900, waveform: [1, 2] } });
    expect(messageBody(voice)).toMatchObject({ kind: "voice", caption: "", duration: 900, waveform: [1, 2] });
  });

  it.each([
    {},
    { msgtype: 1, body: 2 },
    { msgtype: "m.image", body: "x" },
    { msgtype: "m.image", body: "x", url: "https://elsewhere.example/x.png" },
    { msgtype: "m.image", body: "x", file: { ...file, key: { ...file.key, alg: "other" } } },
    { msgtype: "m.image", body: "x", file: { ...file, hashes: {} } },
  ])("makes a text of what is not as it should be: %j", (content) => {
    expect(messageBody(content).kind).toBe("text");
  });

  it("takes no sizes that are none", () => {
    expect(messageBody({ msgtype: "m.image", body: "x", url: "mxc://s/1", info: { w: "4", h: -3, size: Infinity } })).toMatchObject({ width: 0, height: 0, source: { size: undefined } });
  });
});

describe("small things", () => {
  it("fits pictures without making them larger or flat", () => {
    expect(fit(4000, 3000, 800)).toEqual({ width: 800, height: 600 });
    expect(fit(100, 50, 800)).toEqual({ width: 100, height: 50 });
    expect(fit(10_000, 1, 800)).toEqual({ width: 800, height: 1 });
  });

  it("gives nothing a type that could run something in the app's own name", () => {
    expect(["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/pdf", "", "IMAGE/PNG", "audio/ogg; codecs=opus"].map(safeType)).toEqual([
      ...Array.from({ length: 6 }, () => "application/octet-stream"),
      "image/png",
      "audio/ogg",
    ]);
  });

  it("names a picture after what it has become", () => {
    expect([nameFor("wound.HEIC", "image/jpeg"), nameFor("a.jpeg", "image/jpeg"), nameFor("", "image/png"), nameFor("scan.webp", "image/jpeg")]).toEqual(["wound.jpg", "a.jpeg", "picture.png", "scan.jpg"]);
  });

  it("names rooms after what the SDK knows", () => {
    expect(roomName("!r", { name: "Ward 3" })).toBe("Ward 3");
    expect(roomName("!r", { names: ["Ben Okafor", "@chiara:x"], count: 3 })).toBe("Ben Okafor, chiara");
    expect(roomName("!r", {})).toBe("");
  });

  it("names people and devices", () => {
    expect(localPart("@anna.weiss:example.org:8448")).toBe("anna.weiss");
    expect(deviceName("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/150 Mobile Safari/537.36")).toBe("Myelin, Chrome on Android");
    expect(deviceName("Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/150.0")).toBe("Myelin, Firefox on Windows");
  });
});

describe("messages that vanish", () => {
  const redacted = (reason: string, by = "@anna:x"): MatrixEvent =>
    new MatrixEvent({ type: "m.room.message", sender: "@anna:x", content: {}, unsigned: { redacted_because: { type: "m.room.redaction", sender: by, content: { reason } } as never } });

  it("leave no trace, unlike those that somebody deleted", () => {
    expect(bodyOf(redacted("wrong bed"))).toEqual({ kind: "removed" });
    expect(bodyOf(redacted("org.myelin.expired"))).toBeUndefined();
    expect(bodyOf(redacted("org.myelin.expired", "@moderator:x"))).toEqual({ kind: "removed" });
  });

  it("go when their writer said, and no later than all of the room", () => {
    const staying = (after?: number): Room => ({ currentState: { getStateEvents: (type: string) => (type === expiryType && after !== undefined ? { getContent: () => ({ after }) } : null) } }) as never;
    expect(expiryOf(staying(), {}, 100)).toBeUndefined();
    expect(expiryOf(staying(), { stays: 50 }, 100)).toBe(150);
    expect(expiryOf(staying(20), {}, 100)).toBe(120);
    expect(expiryOf(staying(20), { stays: 50 }, 100)).toBe(120);
    expect(expiryOf(staying(90), { stays: 50 }, 100)).toBe(150);
    expect(expiryOf(staying(20), { until: 130 }, 100)).toBe(130);
  });
});
