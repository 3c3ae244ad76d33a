import { crc32, deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";

import { Unfit } from "../store/media.ts";
import { kindOf, withoutMetadata } from "./metadata.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const latin = (text: string): Buffer => Buffer.from(text, "latin1");
const bytes = (...parts: (Buffer | Uint8Array | number[])[]): Bytes => new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part))));
const holds = (data: Uint8Array, text: string): boolean => Buffer.from(data).includes(latin(text));
const clean = (data: Bytes): Bytes => withoutMetadata(data) ?? new Uint8Array();

/** A TIFF header as cameras write it: which way is up, who made the camera, and where it was. */
function tiff(turned: number): Buffer {
  const make = latin("SecretCam 9\0");
  const entry = (tag: number, type: number, count: number, value: number): Buffer => {
    const one = Buffer.alloc(12);
    one.writeUInt16LE(tag, 0);
    one.writeUInt16LE(type, 2);
    one.writeUInt32LE(count, 4);
    one.writeUInt32LE(value, 8);
    return one;
  };
  const first = Buffer.concat([Buffer.from([3, 0]), entry(0x010f, 2, make.length, 50), entry(0x0112, 3, 1, turned), entry(0x8825, 4, 1, 62), Buffer.alloc(4)]);
  const gps = Buffer.concat([Buffer.from([1, 0]), entry(0x0001, 2, 2, 0x4e), Buffer.alloc(4)]);
  return Buffer.concat([latin("II*\0"), Buffer.from([8, 0, 0, 0]), first, make, gps, latin("GPS 52.5186N 13.3761E")]);
}

function segment(marker: number, data: Buffer): Buffer {
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(data.length + 2, 2);
  return Buffer.concat([head, data]);
}

/** A one-pixel picture out of a real encoder: quantisation, frame, Huffman tables, scan. */
const baseline = Buffer.from(
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wAALCAABAAEBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAA//EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AN//Z",
  "base64",
);
const scan = baseline.subarray(20); // behind SOI and JFIF
const jfif = baseline.subarray(2, 20);

function photo(turned: number): Bytes {
  return bytes(
    [0xff, 0xd8],
    jfif,
    segment(0xe1, Buffer.concat([latin("Exif\0\0"), tiff(turned)])),
    segment(0xe1, latin("http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>Secret owner</x:xmpmeta>")),
    segment(0xe2, latin("ICC_PROFILE\0\x01\x01colours")),
    segment(0xe2, latin("MPF\0a second picture")),
    segment(0xed, latin("Photoshop 3.0\x008BIM Secret byline")),
    segment(0xfe, latin("Secret comment")),
    scan,
    latin("a film that began before the picture, and Secret place"),
  );
}

describe("withoutMetadata", () => {
  it("leaves of a JPEG what draws it and nothing else", () => {
    const data = clean(photo(1));
    for (const secret of ["Secret", "GPS", "Exif", "xmp", "8BIM", "MPF", "film"]) expect(holds(data, secret), secret).toBe(false);
    expect(holds(data, "ICC_PROFILE\0\x01\x01colours")).toBe(true);
    expect(Buffer.from(data).subarray(0, 20)).toEqual(baseline.subarray(0, 20));
    expect(Buffer.from(data).subarray(-scan.length)).toEqual(scan);
  });

  it("keeps which way is up, alone", () => {
    const data = Buffer.from(clean(photo(6)));
    const at = data.indexOf("Exif");
    expect(at).toBeGreaterThan(0);
    expect(data.readUInt16BE(at - 2)).toBe(34);
    expect(data.subarray(at + 6, at + 32).readUInt16BE(18)).toBe(6);
    expect(holds(data, "Secret")).toBe(false);
    expect(clean(new Uint8Array(data))).toEqual(new Uint8Array(data)); // nothing more to take out
  });

  it("follows every scan of a progressive JPEG", () => {
    const [start, end] = [scan.subarray(0, -2), scan.subarray(-2)];
    const second = scan.subarray(scan.indexOf(Buffer.from([0xff, 0xda])), -2);
    const restart = Buffer.from([0xff, 0xd0, 0x11, 0xff, 0x00]);
    const data = clean(bytes([0xff, 0xd8], jfif, start, restart, segment(0xfe, latin("Secret")), second, end));
    expect(Buffer.from(data)).toEqual(Buffer.concat([Buffer.from([0xff, 0xd8]), jfif, start, restart, second, end]));
  });

  it("leaves of a PNG what draws it and nothing else", () => {
    const chunk = (type: string, body: Buffer): Buffer => {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(body.length);
      const sum = Buffer.alloc(4);
      sum.writeUInt32BE(crc32(Buffer.concat([latin(type), body])));
      return Buffer.concat([head, latin(type), body, sum]);
    };
    const start = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
    const needed = [chunk("IHDR", Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0])), chunk("IDAT", deflateSync(Buffer.alloc(4))), chunk("IEND", Buffer.alloc(0))] as const;
    const told = [chunk("eXIf", tiff(1)), chunk("tEXt", latin("Author\0Secret")), chunk("iTXt", latin("XML:com.adobe.xmp\0Secret")), chunk("tIME", Buffer.alloc(7))];
    const data = clean(bytes(start, needed[0], ...told, needed[1], needed[2], latin("Secret behind the end")));
    expect(Buffer.from(data)).toEqual(Buffer.concat([start, ...needed]));
  });

  it("leaves of a WebP what draws it, and says that no more follows", () => {
    const chunk = (type: string, body: Buffer): Buffer => {
      const head = Buffer.alloc(8, type, "latin1");
      head.writeUInt32LE(body.length, 4);
      return Buffer.concat([head, body, Buffer.alloc(body.length % 2)]);
    };
    const riff = (...chunks: Buffer[]): Bytes => bytes(chunk("RIFF", Buffer.concat([latin("WEBP"), ...chunks])));
    const flags = (value: number): Buffer => chunk("VP8X", Buffer.from([value, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    const dots = chunk("VP8 ", latin("dots!"));
    expect(clean(riff(flags(0x2c), dots, chunk("EXIF", tiff(1)), chunk("XMP ", latin("Secret"))))).toEqual(riff(flags(0x20), dots));
  });

  it("keeps the frames of a GIF and their timing", () => {
    const head = bytes(latin("GIF89a"), [1, 0, 1, 0, 0x80, 0, 0], [0, 0, 0, 255, 255, 255]);
    const loop = bytes([0x21, 0xff, 11], latin("NETSCAPE2.0"), [3, 1, 0, 0, 0]);
    const timing = [0x21, 0xf9, 4, 0, 10, 0, 0, 0];
    const frame = [0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0];
    const comment = bytes([0x21, 0xfe, 6], latin("Secret"), [0]);
    const xmp = bytes([0x21, 0xff, 11], latin("XMP DataXMP"), [6], latin("Secret"), [0]);
    expect(clean(bytes(head, loop, comment, xmp, timing, frame, [0x3b], latin("Secret")))).toEqual(bytes(head, loop, timing, frame, [0x3b]));
  });

  it("makes empty space of what a film says about place and camera", () => {
    const box = (type: string, ...inside: Buffer[]): Buffer => {
      const head = Buffer.alloc(8, `0000${type}`, "latin1");
      head.writeUInt32BE(8 + inside.reduce((sum, one) => sum + one.length, 0));
      return Buffer.concat([head, ...inside]);
    };
    const film = (place: Buffer): Bytes => bytes(box("ftyp", latin("isom")), box("moov", box("mvhd", latin("times")), box("trak", place), place), box("mdat", latin("udta is only a word here")));
    const talk = latin("+52.5186+013.3761/");
    const data = clean(film(box("udta", box("\xa9xyz", talk))));
    expect(data).toEqual(film(box("free", Buffer.alloc(8 + talk.length))));
  });

  it("refuses what is cut off in the middle, rather than sending what it did not look at", () => {
    const whole = photo(1);
    for (let end = 4; end < whole.length - 60; end += 7) expect(() => withoutMetadata(whole.slice(0, end)), String(end)).toThrow(Unfit);
  });

  it("knows a file by its first bytes, not by its name", () => {
    expect(kindOf(photo(1))).toBe("jpeg");
    expect(kindOf(latin("\0\0\0\x18ftypheic"))).toBe("heic");
    expect(kindOf(latin("\0\0\0\x18ftypqt  "))).toBe("mp4");
    expect(kindOf(latin("%PDF-1.7"))).toBeUndefined();
    expect(withoutMetadata(new Uint8Array(latin("%PDF-1.7")))).toBeUndefined();
  });
});
