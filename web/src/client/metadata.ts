import { Unfit } from "../store/media.ts";

// What cameras write into a picture besides the picture: place, time, owner, serial number, a small copy of what was
// there before it was cropped. Everything is dropped that is not needed to draw it, by lists of what may stay.

type Bytes = Uint8Array<ArrayBuffer>;

/** The same picture or film without what it says about itself; undefined for a type that is not known here. */
export function withoutMetadata(bytes: Bytes): Bytes | undefined {
  const kind = kindOf(bytes);
  try {
    switch (kind) {
      case "jpeg":
        return cleanJpeg(bytes);
      case "png":
        return cleanPng(bytes);
      case "webp":
        return cleanWebp(bytes);
      case "gif":
        return cleanGif(bytes);
      case "mp4":
        return cleanMp4(bytes);
      case "heic":
      case undefined:
        return undefined;
    }
  } catch (fault) {
    if (fault instanceof RangeError) throw new Unfit("unreadable"); // cut off in the middle
    throw fault;
  }
}

/** What a file is by its first bytes, whatever its name says. */
export function kindOf(bytes: Uint8Array): "jpeg" | "png" | "webp" | "gif" | "mp4" | "heic" | undefined {
  const text = (from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return "jpeg";
  if (text(1, 4) === "PNG") return "png";
  if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP") return "webp";
  if (text(0, 4) === "GIF8") return "gif";
  if (text(4, 8) !== "ftyp") return undefined;
  if (/^(hei[cxms]|hev[cxms]|mif1|msf1)$/.test(text(8, 12))) return "heic";
  return text(8, 12) === "avif" ? undefined : "mp4";
}

function cleanJpeg(bytes: Bytes): Bytes {
  const view = viewOf(bytes);
  const kept: Uint8Array[] = [];
  let turned = 1;
  let at = 2;
  for (;;) {
    if (view.getUint8(at) !== 0xff) throw new Unfit("unreadable");
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (marker === 0xd9) break; // whatever stands behind the end is no part of the picture
    let end = at + 2 + view.getUint16(at + 2);
    if (marker === 0xda) end = endOfScan(view, end);
    const segment = slice(bytes, at, end);
    if (marker === 0xe1 && startsWith(segment, 4, "Exif\0\0")) turned = orientation(segment.subarray(10)) ?? turned;
    if (jpegMayStay(marker, segment)) kept.push(segment);
    at = end;
  }
  const start = Uint8Array.of(0xff, 0xd8);
  const upright = turned === 1 ? [] : [orientationOnly(turned)];
  return join([start, ...upright, ...kept, Uint8Array.of(0xff, 0xd9)]);
}

function jpegMayStay(marker: number, segment: Uint8Array): boolean {
  if (marker === 0xfe) return false; // a comment
  if (marker < 0xe0 || marker > 0xef) return true;
  if (marker === 0xe0) return startsWith(segment, 4, "JFIF\0");
  if (marker === 0xe2) return startsWith(segment, 4, "ICC_PROFILE\0");
  return marker === 0xee && startsWith(segment, 4, "Adobe");
}

/** The data of a scan runs until a marker that is neither a stuffed byte nor a restart. */
function endOfScan(view: DataView, from: number): number {
  for (let at = from; ; at++) {
    if (view.getUint8(at) !== 0xff) continue;
    const next = view.getUint8(at + 1);
    if (next !== 0 && next !== 0xff && (next < 0xd0 || next > 0xd7)) return at;
  }
}

/** The orientation (1 to 8) of a TIFF header, as EXIF begins with. */
function orientation(tiff: Uint8Array): number | undefined {
  try {
    const view = viewOf(tiff);
    const little = view.getUint16(0) === 0x4949;
    const first = view.getUint32(4, little);
    const count = view.getUint16(first, little);
    for (let i = 0; i < count; i++) {
      const entry = first + 2 + 12 * i;
      if (view.getUint16(entry, little) !== 0x0112) continue;
      const value = view.getUint16(entry + 8, little);
      return value >= 1 && value <= 8 ? value : undefined;
    }
  } catch {
    // Damaged metadata turns nothing.
  }
  return undefined;
}

/** An EXIF segment that says which way is up and nothing else. */
function orientationOnly(value: number): Uint8Array {
  const tiff = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, value, 0, 0, 0, 0, 0, 0];
  return Uint8Array.of(0xff, 0xe1, 0, 8 + tiff.length, ...ascii("Exif\0\0"), ...tiff);
}

const pngMayStay = new Set(["IHDR", "PLTE", "IDAT", "IEND", "tRNS", "gAMA", "cHRM", "sRGB", "iCCP", "cICP", "sBIT", "bKGD", "pHYs", "acTL", "fcTL", "fdAT"]);

function cleanPng(bytes: Bytes): Bytes {
  const view = viewOf(bytes);
  const kept: Uint8Array[] = [slice(bytes, 0, 8)];
  for (let at = 8; ; ) {
    const end = at + 12 + view.getUint32(at);
    const type = String.fromCharCode(...slice(bytes, at + 4, at + 8));
    if (pngMayStay.has(type)) kept.push(slice(bytes, at, end));
    if (type === "IEND") return join(kept);
    at = end;
  }
}

const webpMayStay = new Set(["VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "ANMF", "ICCP"]);

function cleanWebp(bytes: Bytes): Bytes {
  const view = viewOf(bytes);
  const end = Math.min(bytes.length, 8 + view.getUint32(4, true));
  const kept: Uint8Array[] = [];
  for (let at = 12; at + 8 <= end; ) {
    const next = at + 8 + view.getUint32(at + 4, true);
    const chunk = slice(bytes, at, Math.min(next + (next % 2), end)).slice();
    const type = String.fromCharCode(...chunk.subarray(0, 4));
    if (type === "VP8X") chunk[8] = (chunk[8] ?? 0) & ~0x0c; // no EXIF and no XMP follow
    if (webpMayStay.has(type)) kept.push(chunk);
    at = next + (next % 2);
  }
  const head = slice(bytes, 0, 12).slice();
  viewOf(head).setUint32(4, 4 + kept.reduce((sum, chunk) => sum + chunk.length, 0), true);
  return join([head, ...kept]);
}

function cleanGif(bytes: Bytes): Bytes {
  const view = viewOf(bytes);
  const table = (flags: number): number => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1));
  const afterBlocks = (from: number): number => {
    let at = from;
    for (;;) {
      const size = view.getUint8(at);
      at += 1 + size;
      if (size === 0) return at;
    }
  };
  let at = 13 + table(view.getUint8(10));
  const kept: Uint8Array[] = [slice(bytes, 0, at)];
  for (;;) {
    const kind = view.getUint8(at);
    if (kind === 0x3b) return join([...kept, Uint8Array.of(0x3b)]);
    const extension = kind === 0x21;
    if (!extension && kind !== 0x2c) throw new Unfit("unreadable");
    const end = afterBlocks(extension ? at + 2 : at + 11 + table(view.getUint8(at + 9)));
    const block = slice(bytes, at, end);
    // Of the extensions only timing and looping stay: no comments, no XMP.
    if (!extension || block[1] === 0xf9 || (block[1] === 0xff && startsWith(block, 3, "NETSCAPE2.0"))) kept.push(block);
    at = end;
  }
}

const mp4Containers = new Set(["moov", "trak", "mdia", "minf"]);
const mp4Talk = new Set(["udta", "meta", "uuid"]);

/** Films keep their length, since they hold addresses within themselves: what is dropped becomes empty space. */
function cleanMp4(bytes: Bytes): Bytes {
  const clean = bytes.slice();
  const view = viewOf(clean);
  const walk = (from: number, to: number): void => {
    for (let at = from; at + 8 <= to; ) {
      const short = view.getUint32(at);
      const size = short === 1 ? Number(view.getBigUint64(at + 8)) : short === 0 ? to - at : short;
      if (size < 8 || at + size > to) throw new Unfit("unreadable");
      const type = String.fromCharCode(...clean.subarray(at + 4, at + 8));
      const head = short === 1 ? 16 : 8;
      if (mp4Containers.has(type)) walk(at + head, at + size);
      if (mp4Talk.has(type)) {
        clean.set(ascii("free"), at + 4);
        clean.fill(0, at + head, at + size);
      }
      at += size;
    }
  };
  walk(0, clean.length);
  return clean;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A part that must be there in full. */
function slice(bytes: Uint8Array, from: number, to: number): Uint8Array {
  if (to > bytes.length || to < from) throw new RangeError("the file ends too soon");
  return bytes.subarray(from, to);
}

function startsWith(bytes: Uint8Array, at: number, text: string): boolean {
  return ascii(text).every((byte, i) => bytes[at + i] === byte);
}

function ascii(text: string): number[] {
  return [...text].map((char) => char.charCodeAt(0));
}

function join(parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
