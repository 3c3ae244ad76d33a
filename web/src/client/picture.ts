import { encodeBlurhash } from "../store/blurhash.ts";
import { Unfit, type OutgoingMedia, type PictureSize, type Wish } from "../store/media.ts";
import { kindOf, withoutMetadata } from "./metadata.ts";

/** The longest side of a picture by the size somebody chose. */
const sides: Record<PictureSize, number> = { small: 1280, normal: 2560, full: 8192 };
const thumbnailSide = 800;
/** Below this a picture is its own thumbnail. */
const smallEnough = 100 * 1024;
/** What a hash is made from; more adds nothing to it. */
const hashSide = 24;

interface Drawn {
  readonly blob: Blob;
  readonly width: number;
  readonly height: number;
}

/**
 * Makes a picture ready to send: drawn again upright, so that nothing of the camera's file but its points is left, and
 * no larger than asked for. One that moves keeps its frames and loses what it says about itself. Throws Unfit when this
 * browser cannot read it.
 */
export async function preparePicture(file: File, wish: Wish): Promise<OutgoingMedia> {
  const bitmap = await decode(file);
  try {
    const full = (await moving(file, bitmap)) ?? (await draw(bitmap, sides[wish.size], file.type === "image/png" ? "image/png" : "image/jpeg"));
    const small = full.blob.size <= smallEnough ? undefined : await draw(bitmap, thumbnailSide, "image/jpeg");
    return {
      kind: "media",
      as: "picture",
      name: nameFor(file.name, full.blob.type),
      caption: wish.caption,
      blob: full.blob,
      width: full.width,
      height: full.height,
      duration: undefined,
      waveform: [],
      blurhash: hashOf(bitmap, bitmap.width, bitmap.height),
      thumbnail: small?.blob,
      thumbnailWidth: small?.width ?? 0,
      thumbnailHeight: small?.height ?? 0,
    };
  } finally {
    bitmap.close();
  }
}

/** The points of a picture, upright. Decoded off the main thread. */
async function decode(file: File): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    const start = new Uint8Array(await file.slice(0, 16).arrayBuffer());
    throw new Unfit(kindOf(start) === "heic" || /hei[cf]$/.test(file.type) ? "heic" : "unreadable");
  }
}

async function moving(file: File, { width, height }: ImageBitmap): Promise<Drawn | undefined> {
  if (file.type !== "image/gif") return undefined;
  const clean = withoutMetadata(new Uint8Array(await file.arrayBuffer()));
  return clean === undefined ? undefined : { blob: new Blob([clean], { type: "image/gif" }), width, height };
}

/** Draws something no larger than `side`, as a file. */
export async function draw(source: ImageBitmap | HTMLVideoElement, side: number, type: string): Promise<Drawn> {
  const whole = source instanceof ImageBitmap ? source : { width: source.videoWidth, height: source.videoHeight };
  const { width, height } = fit(whole.width, whole.height, side);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("no canvas to draw on");
  if (type === "image/jpeg") {
    context.fillStyle = "white"; // what was transparent
    context.fillRect(0, 0, width, height);
  }
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  return { blob: await canvas.convertToBlob({ type, quality: 0.85 }), width, height };
}

/** The blur that stands in for a picture. */
export function hashOf(source: ImageBitmap | HTMLVideoElement, width: number, height: number): string | undefined {
  const size = fit(width, height, hashSide);
  const context = new OffscreenCanvas(size.width, size.height).getContext("2d");
  if (context === null) return undefined;
  context.drawImage(source, 0, 0, size.width, size.height);
  return encodeBlurhash(context.getImageData(0, 0, size.width, size.height).data, size.width, size.height);
}

/** The largest size of the same shape with no side longer than `side`; never larger than it was. */
export function fit(width: number, height: number, side: number): { width: number; height: number } {
  const scale = Math.min(1, side / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

const endings: Readonly<Record<string, string>> = { "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif" };

/** The file's name with the ending of what it has become. */
export function nameFor(name: string, type: string): string {
  const ending = endings[type];
  const base = name.replace(/\.[^.]*$/, "");
  if (ending === undefined || (ending === "jpg" && /\.jpe?g$/i.test(name))) return name;
  return `${base === "" ? "picture" : base}.${ending}`;
}
