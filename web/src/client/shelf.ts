import type { OutboxShelf } from "../store/Outbox.ts";
import type { OutgoingMedia } from "../store/media.ts";
import type { OutboxContent, OutboxEntry } from "../store/model.ts";
import type { Bytes, Vault } from "./vault.ts";

/**
 * Waiting messages in the vault. Each is one sealed record, and each of its files another, which never changes: they are
 * written and removed with their message, in one transaction. A record is the length of its JSON part in four bytes, the
 * JSON part, then the file's bytes.
 */
export class SealedShelf implements OutboxShelf {
  readonly #vault: Vault;

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  async load(): Promise<readonly OutboxEntry[]> {
    return opened(await this.#vault.readAll("outbox")).sort((a, b) => a.at - b.at);
  }

  async read(txn: string): Promise<OutboxEntry | undefined> {
    const records = await Promise.all(namesOf(txn).map((name) => this.#vault.readBytes(name, "outbox")));
    return opened(records.filter((record) => record !== undefined))[0];
  }

  async add(entry: OutboxEntry, instead?: string): Promise<void> {
    const { content, txn } = entry;
    const put = new Map([[txn, join(keptOf(entry), new Uint8Array())]]);
    for (const file of content.kind === "media" ? files : []) {
      const blob = content.kind === "media" ? content[file] : undefined;
      if (blob !== undefined) put.set(fileName(txn, file), join({ txn, file, type: blob.type }, new Uint8Array(await blob.arrayBuffer())));
    }
    await this.#vault.change("outbox", { put, ...(instead === undefined ? {} : { remove: namesOf(instead) }) });
  }

  async update(entry: OutboxEntry): Promise<void> {
    await this.#vault.change("outbox", { replace: new Map([[entry.txn, join(keptOf(entry), new Uint8Array())]]) });
  }

  async remove(txn: string): Promise<void> {
    await this.#vault.change("outbox", { remove: namesOf(txn) });
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

function fileName(txn: string, file: FileOf): string {
  return `${txn}#${file}`;
}

/** All records that a message may have. */
function namesOf(txn: string): readonly string[] {
  return [txn, ...files.map((file) => fileName(txn, file))];
}

/** What JSON leaves out. */
const apart = { blob: undefined, thumbnail: undefined };

function keptOf(entry: OutboxEntry): KeptEntry {
  const { content } = entry;
  if (content.kind !== "media") return { ...entry, content };
  return { ...entry, content: { ...content, ...apart } };
}

/** The messages among records, with their files. One whose file is gone is none. */
function opened(records: readonly Bytes[]): OutboxEntry[] {
  const parts = records.map(split);
  const blobs = new Map<string, Blob>();
  for (const { head, bytes } of parts) if ("file" in head) blobs.set(fileName(head.txn, head.file), new Blob([bytes], { type: head.type }));
  return parts.flatMap(({ head }) => {
    const entry = "file" in head ? undefined : open(head, blobs);
    return entry === undefined ? [] : [entry];
  });
}

function open(kept: KeptEntry, blobs: ReadonlyMap<string, Blob>): OutboxEntry | undefined {
  const { content, txn } = kept;
  if (content.kind !== "media") return { ...kept, event: kept.event, content };
  const blob = blobs.get(fileName(txn, "blob"));
  const thumbnail = blobs.get(fileName(txn, "thumbnail"));
  return blob === undefined ? undefined : { ...kept, event: kept.event, content: { ...content, blob, thumbnail } };
}

function join(head: KeptEntry | KeptFile, bytes: Uint8Array): Bytes {
  const json = new TextEncoder().encode(JSON.stringify(head));
  const whole = new Uint8Array(4 + json.length + bytes.length);
  new DataView(whole.buffer).setUint32(0, json.length);
  whole.set(json, 4);
  whole.set(bytes, 4 + json.length);
  return whole;
}

function split(record: Bytes): { head: KeptEntry | KeptFile; bytes: Bytes } {
  const length = new DataView(record.buffer, record.byteOffset).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(record.subarray(4, 4 + length))) as KeptEntry | KeptFile;
  return { head, bytes: record.subarray(4 + length) };
}
