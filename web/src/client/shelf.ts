import type { OutboxShelf } from "../store/Outbox.ts";
import type { OutboxContent, OutboxEntry } from "../store/model.ts";
import type { Vault } from "./vault.ts";

/**
 * Waiting messages in the vault. An entry is one sealed record: the length of its JSON part in four bytes, the JSON
 * part, then the bytes of the picture and of its thumbnail.
 */
export class SealedShelf implements OutboxShelf {
  readonly #vault: Vault;

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  async load(): Promise<readonly OutboxEntry[]> {
    const entries = (await this.#vault.readOutbox()).map(decode);
    return entries.sort((a, b) => a.at - b.at);
  }

  async put(entry: OutboxEntry): Promise<void> {
    await this.#vault.putOutbox(entry.txn, await encode(entry));
  }

  remove(txn: string): Promise<void> {
    return this.#vault.removeOutbox(txn);
  }
}

interface Kept extends Omit<OutboxEntry, "content"> {
  readonly content:
    | Extract<OutboxContent, { kind: "text" }>
    | (Omit<Extract<OutboxContent, { kind: "picture" }>, "picture" | "thumbnail"> & { readonly parts: readonly Part[] });
}

interface Part {
  readonly type: string;
  readonly size: number;
}

async function encode(entry: OutboxEntry): Promise<Uint8Array<ArrayBuffer>> {
  const { content } = entry;
  if (content.kind === "text") return join({ ...entry, content }, []);
  const { picture, thumbnail, ...rest } = content;
  const blobs = thumbnail === undefined ? [picture] : [picture, thumbnail];
  const parts = blobs.map(({ type, size }) => ({ type, size }));
  const bytes = await Promise.all(blobs.map(async (blob) => new Uint8Array(await blob.arrayBuffer())));
  return join({ ...entry, content: { ...rest, parts } }, bytes);
}

function join(kept: Kept, parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(JSON.stringify(kept));
  const whole = new Uint8Array(4 + json.length + parts.reduce((sum, part) => sum + part.length, 0));
  new DataView(whole.buffer).setUint32(0, json.length);
  whole.set(json, 4);
  let at = 4 + json.length;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function decode(bytes: Uint8Array<ArrayBuffer>): OutboxEntry {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const kept = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))) as Kept;
  const { content } = kept;
  if (content.kind === "text") return { ...kept, event: kept.event, content };
  let at = 4 + length;
  const [picture, thumbnail] = content.parts.map(({ type, size }) => {
    const blob = new Blob([bytes.subarray(at, at + size)], { type });
    at += size;
    return blob;
  });
  const { kind, name, width, height, thumbnailWidth, thumbnailHeight } = content;
  const opened = { kind, name, width, height, thumbnailWidth, thumbnailHeight, picture: picture ?? new Blob(), thumbnail };
  return { ...kept, event: kept.event, content: opened };
}
