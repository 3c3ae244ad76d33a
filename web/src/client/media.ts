import type { MatrixClient } from "matrix-js-sdk";

import { Refusal } from "../store/Homeserver.ts";
import { Store, type Readable } from "../store/Store.ts";
import type { EncryptedFile, MediaSource, MediaState, OutgoingMedia, Uploaded } from "../store/media.ts";
import { decryptAttachment, encryptAttachment } from "./attachment.ts";

/** Types that the browser may show; everything else, HTML and SVG before all, is only ever offered as a download. */
const shown = new Set([
  ...["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"],
  ...["audio/mpeg", "audio/mp4", "audio/aac", "audio/ogg", "audio/webm", "audio/wav", "audio/x-wav", "audio/flac"],
  ...["video/mp4", "video/webm", "video/ogg", "video/quicktime"],
]);

/** How many bytes of files that nobody looks at any more stay open, for when somebody scrolls back. */
const keptOpen = 48 * 1024 * 1024;

/** Files of this session: fetched and opened while somebody looks, let go of when there are too many. */
export class Media {
  readonly #client: MatrixClient;
  /** Oldest use first. */
  readonly #held = new Map<string, Held>();
  #limit: Promise<number | undefined> | undefined;

  constructor(client: MatrixClient) {
    this.#client = client;
  }

  get(source: MediaSource): Readable<MediaState> {
    return this.#hold(source);
  }

  retry(source: MediaSource): void {
    this.#held.get(source.url)?.retry();
  }

  /** Fetches again what could not be fetched: the server is back. */
  retryFailed(): void {
    for (const held of this.#held.values()) held.retry();
  }

  /** The largest file the server takes; asked for again as long as it has not answered. */
  async limit(): Promise<number | undefined> {
    this.#limit ??= this.#client.getMediaConfig(true).then((config) => config["m.upload.size"]);
    try {
      return await this.#limit;
    } catch {
      this.#limit = undefined;
      return undefined;
    }
  }

  /** Uploads the files of a message, encrypted for a room that is. `onProgress` hears a number from 0 to 1. */
  async upload(media: OutgoingMedia, encrypted: boolean, onProgress: (part: number) => void, signal: AbortSignal): Promise<Uploaded> {
    const { blob, thumbnail } = media;
    const total = blob.size + (thumbnail?.size ?? 0);
    const send = (one: Blob, before: number): Promise<EncryptedFile | string> => {
      const progress = (part: number): void => {
        onProgress((before + part * one.size) / total);
      };
      return encrypted ? this.#uploadSealed(one, progress, signal) : this.#send(one, one.type, progress, signal);
    };
    const small = thumbnail === undefined ? undefined : await send(thumbnail, 0);
    const uploaded = { thumbnail: small, blob: await send(blob, thumbnail?.size ?? 0) };
    this.#adopt(uploaded.blob, blob);
    if (uploaded.thumbnail !== undefined && thumbnail !== undefined) this.#adopt(uploaded.thumbnail, thumbnail);
    return uploaded;
  }

  /** Uploads what everybody may see, such as the picture of a room. */
  uploadPlain(blob: Blob): Promise<string> {
    return this.#send(blob, blob.type, () => undefined, new AbortController().signal);
  }

  /** Drops every opened file. */
  forget(): void {
    for (const held of this.#held.values()) held.release();
    this.#held.clear();
  }

  async #uploadSealed(blob: Blob, onProgress: (part: number) => void, signal: AbortSignal): Promise<EncryptedFile> {
    const { data, file } = await encryptAttachment(await blob.arrayBuffer());
    return { ...file, url: await this.#send(new Blob([data]), "application/octet-stream", onProgress, signal) };
  }

  async #send(blob: Blob, type: string, onProgress: (part: number) => void, signal: AbortSignal): Promise<string> {
    const abortController = new AbortController();
    const abort = (): void => {
      abortController.abort();
    };
    signal.throwIfAborted();
    signal.addEventListener("abort", abort);
    try {
      const { content_uri } = await this.#client.uploadContent(blob, {
        type: type === "" ? "application/octet-stream" : type,
        includeFilename: false,
        abortController,
        progressHandler: ({ loaded, total }) => {
          onProgress(total === 0 ? 0 : loaded / total);
        },
      });
      return content_uri;
    } catch (fault) {
      // What the SDK makes of a broken line looks like a wish to stop.
      const broken = fault instanceof Error && (fault.name === "AbortError" || fault.message === "Timeout");
      throw broken && !signal.aborted ? new Refusal("unreachable", fault.message) : fault;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** What this device has uploaded need not be fetched to be shown. */
  #adopt(at: EncryptedFile | string, blob: Blob): void {
    const file = typeof at === "string" ? undefined : at;
    this.#hold({ url: typeof at === "string" ? at : at.url, type: blob.type, size: blob.size, file }).adopt(blob);
  }

  #hold(source: MediaSource): Held {
    const known = this.#held.get(source.url);
    if (known !== undefined) return known;
    const held = new Held(
      () => this.#load(source),
      () => {
        this.#tidy(source.url, held);
      },
    );
    this.#held.set(source.url, held);
    return held;
  }

  /** Nobody looks at a file any more: those left alone longest are closed. */
  #tidy(url: string, held: Held): void {
    this.#held.delete(url);
    this.#held.set(url, held);
    const idle = [...this.#held].filter(([, one]) => !one.heard);
    let size = idle.reduce((sum, [, one]) => sum + one.size, 0);
    for (const [name, one] of idle) {
      if (size <= keptOpen) return;
      size -= one.size;
      one.release();
      this.#held.delete(name);
    }
  }

  async #load(source: MediaSource): Promise<Blob> {
    const address = this.#client.mxcUrlToHttp(source.url, undefined, undefined, undefined, false, true, true);
    if (address === null) throw new Error("not a media address");
    const response = await fetch(address, { headers: { Authorization: `Bearer ${this.#client.getAccessToken() ?? ""}` } });
    if (!response.ok) throw new Error(`media: HTTP ${String(response.status)}`);
    const data = await response.arrayBuffer();
    const plain = source.file === undefined ? data : await decryptAttachment(data, source.file);
    return new Blob([plain], { type: safeType(source.type) });
  }
}

/** A type that can run nothing when its address is opened. */
export function safeType(type: string): string {
  const [name = ""] = type.toLowerCase().split(";");
  return shown.has(name.trim()) ? name.trim() : "application/octet-stream";
}

/** One file: loaded when somebody listens, so that a list may name many without fetching any. */
class Held implements Readable<MediaState> {
  readonly #store = new Store<MediaState>({ state: "loading" });
  readonly #load: () => Promise<Blob>;
  readonly #onIdle: () => void;
  #listeners = 0;
  #loading = false;
  size = 0;

  constructor(load: () => Promise<Blob>, onIdle: () => void) {
    this.#load = load;
    this.#onIdle = onIdle;
  }

  get snapshot(): MediaState {
    return this.#store.snapshot;
  }

  get heard(): boolean {
    return this.#listeners > 0;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    const end = this.#store.subscribe(listener);
    this.#listeners++;
    if (this.snapshot.state === "loading") void this.#start();
    return () => {
      end();
      if (--this.#listeners === 0) this.#onIdle();
    };
  };

  retry(): void {
    if (this.snapshot.state !== "failed") return;
    this.#store.set({ state: "loading" });
    if (this.heard) void this.#start();
  }

  adopt(blob: Blob): void {
    this.release();
    this.size = blob.size;
    this.#store.set({ state: "ready", url: URL.createObjectURL(new Blob([blob], { type: safeType(blob.type) })) });
  }

  release(): void {
    if (this.snapshot.state === "ready") URL.revokeObjectURL(this.snapshot.url);
    this.size = 0;
    this.#store.set({ state: "loading" });
  }

  async #start(): Promise<void> {
    if (this.#loading) return;
    this.#loading = true;
    try {
      this.adopt(await this.#load());
    } catch {
      this.#store.set({ state: "failed" });
    } finally {
      this.#loading = false;
    }
  }
}
