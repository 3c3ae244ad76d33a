import type { OutboxShelf } from "../store/Outbox.ts";
import type { OutgoingMedia } from "../store/media.ts";
import type { OutboxContent, OutboxEntry } from "../store/model.ts";
import type { Vault } from "./vault.ts";

/**
 * Waiting messages in the vault. Each is one sealed record, and each of its files another, which never changes and so is
 * written once, before the message. A record is the length of its JSON part in four bytes, the JSON part, then the
 * file's bytes. A file whose message is not there is left over from a page that closed in between.
 */
export class SealedShelf implements OutboxShelf {
  readonly #vault: Vault;
  /** Transactions whose files are in the vault. */
  readonly #filed = new Set<string>();

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  async load(): Promise<readonly OutboxEntry[]> {
    const records = (await this.#vault.readOutbox()).map(split);
    const blobs = new Map<string, Blob>();
    for (const { head, bytes } of records) if ("file" in head) blobs.set(recordName(head.txn, head.file), new Blob([bytes], { type: head.type }));
    const entries: OutboxEntry[] = [];
    for (const { head } of records) {
      if ("file" in head) continue;
      const entry = open(head, blobs);
      if (entry === undefined) continue;
      entries.push(entry);
      this.#filed.add(entry.txn);
    }
    for (const { head } of records) if (!this.#filed.has(head.txn)) await this.remove(head.txn);
    return entries.sort((a, b) => a.at - b.at);
  }

  async put(entry: OutboxEntry): Promise<void> {
    const { content, txn } = entry;
    if (content.kind === "media" && !this.#filed.has(txn)) {
      for (const file of files) {
        const blob = content[file];
        if (blob === undefined) continue;
        await this.#vault.putOutbox(recordName(txn, file), join({ txn, file, type: blob.type }, new Uint8Array(await blob.arrayBuffer())));
      }
    }
    this.#filed.add(txn);
    await this.#vault.putOutbox(txn, join(keptOf(entry), new Uint8Array()));
  }

  async remove(txn: string): Promise<void> {
    this.#filed.delete(txn);
    await this.#vault.removeOutbox(txn);
    for (const file of files) await this.#vault.removeOutbox(recordName(txn, file));
  }
}

const files = ["blob", "thumbnail"] as const;
type FileOf = (typeof files)[number];

/** A message as it is written down, its files apart. */
interface KeptEntry extends Omit<OutboxEntry, "content"> {
  readonly content: Exclude<OutboxContent, OutgoingMedia> | Omit<OutgoingMedia, FileOf>;
}

interface KeptFile {
  readonly txn: string;
  readonly file: FileOf;
  readonly type: string;
}

function recordName(txn: string, file: FileOf): string {
  return `${txn}#${file}`;
}

/** What JSON leaves out. */
const apart = { blob: undefined, thumbnail: undefined };

function keptOf(entry: OutboxEntry): KeptEntry {
  const { content } = entry;
  if (content.kind !== "media") return { ...entry, content };
  return { ...entry, content: { ...content, ...apart } };
}

/** Undefined when its file is gone. */
function open(kept: KeptEntry, blobs: ReadonlyMap<string, Blob>): OutboxEntry | undefined {
  const { content, txn } = kept;
  if (content.kind !== "media") return { ...kept, event: kept.event, content };
  const blob = blobs.get(recordName(txn, "blob"));
  const thumbnail = blobs.get(recordName(txn, "thumbnail"));
  return blob === undefined ? undefined : { ...kept, event: kept.event, content: { ...content, blob, thumbnail } };
}

function join(head: KeptEntry | KeptFile, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(JSON.stringify(head));
  const whole = new Uint8Array(4 + json.length + bytes.length);
  new DataView(whole.buffer).setUint32(0, json.length);
  whole.set(json, 4);
  whole.set(bytes, 4 + json.length);
  return whole;
}

function split(record: Uint8Array<ArrayBuffer>): { head: KeptEntry | KeptFile; bytes: Uint8Array<ArrayBuffer> } {
  const length = new DataView(record.buffer, record.byteOffset).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(record.subarray(4, 4 + length))) as KeptEntry | KeptFile;
  return { head, bytes: record.subarray(4 + length) };
}
