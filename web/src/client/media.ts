import type { MatrixClient } from "matrix-js-sdk";

import type { MediaState } from "../store/Homeserver.ts";
import { Store, type Readable } from "../store/Store.ts";
import type { EncryptedFile, MediaSource } from "../store/model.ts";
import { decryptAttachment, encryptAttachment } from "./attachment.ts";

/** Types that the browser may draw; everything else is only ever offered as a download. */
const drawable = new Set(["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"]);

/** Files of this session: fetched once, opened, held as blob: addresses until the page goes. */
export class Media {
  readonly #client: MatrixClient;
  readonly #held = new Map<string, { readonly source: MediaSource; readonly store: Store<MediaState> }>();

  constructor(client: MatrixClient) {
    this.#client = client;
  }

  get(source: MediaSource): Readable<MediaState> {
    const held = this.#held.get(source.url);
    if (held !== undefined) return held.store;
    const store = new Store<MediaState>({ state: "loading" });
    this.#held.set(source.url, { source, store });
    this.#start(source, store);
    return store;
  }

  /** Fetches again what could not be fetched: the server is back. */
  retryFailed(): void {
    for (const { source, store } of this.#held.values()) {
      if (store.snapshot.state === "failed") this.#start(source, store);
    }
  }

  /** Encrypts and uploads a file; what a message says about it. */
  async upload(blob: Blob): Promise<EncryptedFile> {
    const { data, file } = await encryptAttachment(await blob.arrayBuffer());
    const { content_uri } = await this.#client.uploadContent(new Blob([data]), {
      type: "application/octet-stream",
      includeFilename: false,
    });
    return { ...file, url: content_uri };
  }

  /** Uploads without encrypting, for a room that is not encrypted. */
  async uploadPlain(blob: Blob): Promise<string> {
    return (await this.#client.uploadContent(blob, { type: blob.type, includeFilename: false })).content_uri;
  }

  /** Drops every opened file. */
  forget(): void {
    for (const { store } of this.#held.values()) {
      if (store.snapshot.state === "ready") URL.revokeObjectURL(store.snapshot.url);
    }
    this.#held.clear();
  }

  #start(source: MediaSource, store: Store<MediaState>): void {
    store.set({ state: "loading" });
    this.#load(source).then(
      (url) => {
        store.set({ state: "ready", url });
      },
      () => {
        store.set({ state: "failed" });
      },
    );
  }

  async #load(source: MediaSource): Promise<string> {
    const address = this.#client.mxcUrlToHttp(source.url, undefined, undefined, undefined, false, true, true);
    if (address === null) throw new Error("not a media address");
    const response = await fetch(address, { headers: { Authorization: `Bearer ${this.#client.getAccessToken() ?? ""}` } });
    if (!response.ok) throw new Error(`media: HTTP ${String(response.status)}`);
    const data = await response.arrayBuffer();
    const plain = source.file === undefined ? data : await decryptAttachment(data, source.file);
    const type = drawable.has(source.type) ? source.type : "application/octet-stream";
    return URL.createObjectURL(new Blob([plain], { type }));
  }
}
