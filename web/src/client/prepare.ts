import { Unfit, type MediaKind, type OutgoingMedia, type Wish } from "../store/media.ts";
import { kindOf, withoutMetadata } from "./metadata.ts";
import { draw, hashOf, preparePicture } from "./picture.ts";

const thumbnailSide = 800;
/** A browser that has not opened a recording by then cannot play it. */
const patience = 10_000;

/** Makes a chosen file ready to send, by what it is. Throws Unfit when it cannot be sent. */
export async function prepare(file: File, wish: Wish): Promise<OutgoingMedia> {
  if (file.size === 0) throw new Unfit("empty");
  const [family] = file.type.split("/");
  if (wish.as === "media" && family === "image" && file.type !== "image/svg+xml") return preparePicture(file, wish);
  const blob = await cleaned(file);
  const plain: OutgoingMedia = {
    kind: "media",
    as: "file",
    name: file.name,
    caption: wish.caption,
    blob,
    width: 0,
    height: 0,
    duration: wish.duration,
    waveform: wish.waveform ?? [],
    blurhash: undefined,
    thumbnail: undefined,
    thumbnailWidth: 0,
    thumbnailHeight: 0,
  };
  if (wish.as === "voice") return { ...plain, as: "voice" };
  if (wish.as === "file" || (family !== "video" && family !== "audio")) return plain;
  return (await opened(plain, family)) ?? plain; // what this browser cannot play others may
}

/** A picture or film sent as a file does not tell either where it was taken. */
async function cleaned(file: File): Promise<Blob> {
  const start = kindOf(new Uint8Array(await file.slice(0, 16).arrayBuffer()));
  if (start === undefined) return file;
  if (start === "heic") throw new Unfit("heic"); // it holds the place, and nothing here can take that out
  const clean = withoutMetadata(new Uint8Array(await file.arrayBuffer()));
  return clean === undefined ? file : new Blob([clean], { type: file.type });
}

/** Length, size and first picture of a recording; undefined when this browser cannot open it. */
async function opened(plain: OutgoingMedia, family: "video" | "audio"): Promise<OutgoingMedia | undefined> {
  const element = document.createElement(family);
  const url = URL.createObjectURL(plain.blob);
  try {
    element.preload = "auto";
    element.muted = true;
    element.src = url;
    await heard(element, "loadedmetadata");
    const duration = plain.duration ?? (await lengthOf(element));
    const as: MediaKind = family;
    if (!(element instanceof HTMLVideoElement)) return { ...plain, as, duration };
    if (element.videoWidth === 0) return { ...plain, as: "audio", duration };
    element.currentTime = Math.min(0.1, (duration ?? 0) / 2000);
    await heard(element, "seeked");
    const small = await draw(element, thumbnailSide, "image/jpeg");
    const { videoWidth: width, videoHeight: height } = element;
    return { ...plain, as, duration, width, height, blurhash: hashOf(element, width, height), thumbnail: small.blob, thumbnailWidth: small.width, thumbnailHeight: small.height };
  } catch (fault) {
    if (fault instanceof Unopened) return undefined;
    throw fault;
  } finally {
    element.removeAttribute("src");
    element.load();
    URL.revokeObjectURL(url);
  }
}

/** A recording that was never closed says its length only when it is asked for a time beyond it. */
async function lengthOf(element: HTMLMediaElement): Promise<number | undefined> {
  if (element.duration === Infinity) {
    element.currentTime = Number.MAX_SAFE_INTEGER;
    await heard(element, "seeked");
  }
  return Number.isFinite(element.duration) ? Math.round(element.duration * 1000) : undefined;
}

class Unopened extends Error {}

function heard(element: HTMLMediaElement, event: "loadedmetadata" | "seeked"): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Unopened());
    }, patience);
    element.addEventListener(
      event,
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
    element.addEventListener(
      "error",
      () => {
        clearTimeout(timer);
        reject(new Unopened());
      },
      { once: true },
    );
  });
}
