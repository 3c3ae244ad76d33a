// Pictures, recordings and files, on their way out and in. Everything here is immutable.

export type MediaKind = "picture" | "video" | "audio" | "voice" | "file";

/** What a message says about a file besides where it is. */
export interface MediaFacts {
  readonly name: string;
  /** What the sender wrote under it; empty when nothing. */
  readonly caption: string;
  /** In pixels; 0 when it has none or nobody said. */
  readonly width: number;
  readonly height: number;
  /** In milliseconds; undefined when it has none or nobody said. */
  readonly duration: number | undefined;
  /** Loudness over time, 0 to 1024; empty for all but voice messages. */
  readonly waveform: readonly number[];
  /** A blur of a few characters that stands in until the picture is there. */
  readonly blurhash: string | undefined;
}

/** A file on the server; `file` holds the keys when it is encrypted. */
export interface MediaSource {
  readonly url: string;
  readonly type: string;
  readonly size: number | undefined;
  readonly file: EncryptedFile | undefined;
}

/** EncryptedFile v2 of the Matrix specification, "Sending encrypted attachments". */
export interface EncryptedFile {
  readonly v: "v2";
  readonly url: string;
  readonly key: { readonly kty: "oct"; readonly alg: "A256CTR"; readonly ext: true; readonly k: string; readonly key_ops: readonly string[] };
  readonly iv: string;
  readonly hashes: { readonly sha256: string };
}

/** A file that somebody sent. */
export interface MediaBody extends MediaFacts {
  readonly kind: MediaKind;
  readonly source: MediaSource;
  readonly thumbnail: MediaSource | undefined;
}

/** A file made ready to be sent. */
export interface OutgoingMedia extends MediaFacts {
  readonly kind: "media";
  readonly as: MediaKind;
  readonly blob: Blob;
  readonly thumbnail: Blob | undefined;
  readonly thumbnailWidth: number;
  readonly thumbnailHeight: number;
}

/** Where the files of a message are on the server: the address alone in a room that is not encrypted. */
export interface Uploaded {
  readonly blob: EncryptedFile | string;
  readonly thumbnail: EncryptedFile | string | undefined;
}

/** A file on its way from the server to the screen. `url` is a blob: address. */
export type MediaState = { readonly state: "loading" } | { readonly state: "ready"; readonly url: string } | { readonly state: "failed" };

export type PictureSize = "small" | "normal" | "full";

/** How a chosen file is to be sent. */
export interface Wish {
  readonly as: "media" | "voice" | "file";
  readonly size: PictureSize;
  readonly caption: string;
  readonly duration?: number | undefined;
  readonly waveform?: readonly number[];
}

export type UnfitReason = "heic" | "unreadable" | "empty";

/** A file that cannot be sent as it is. */
export class Unfit extends Error {
  readonly reason: UnfitReason;

  constructor(reason: UnfitReason) {
    super(`the file cannot be sent: ${reason}`);
    this.name = "Unfit";
    this.reason = reason;
  }
}
