import type { EncryptedFile } from "../store/media.ts";

/** Encrypted attachments as the Matrix specification has them: AES-256-CTR with a 64-bit counter, SHA-256 of the result. */
export interface Encrypted {
  readonly data: ArrayBuffer;
  /** Everything but where it was uploaded to. */
  readonly file: Omit<EncryptedFile, "url">;
}

export class DamagedFile extends Error {
  constructor() {
    super("the file is not what was sent");
    this.name = "DamagedFile";
  }
}

export async function encryptAttachment(plain: ArrayBuffer): Promise<Encrypted> {
  const counter = new Uint8Array(16);
  crypto.getRandomValues(counter.subarray(0, 8)); // the other half counts blocks and starts at zero
  const key = await crypto.subtle.generateKey({ name: "AES-CTR", length: 256 }, true, ["encrypt", "decrypt"]);
  const data = await crypto.subtle.encrypt({ name: "AES-CTR", counter, length: 64 }, key, plain);
  const hash = await crypto.subtle.digest("SHA-256", data);
  const { k } = await crypto.subtle.exportKey("jwk", key);
  if (k === undefined) throw new Error("WebCrypto exported a key without its value");
  return {
    data,
    file: {
      v: "v2",
      key: { kty: "oct", alg: "A256CTR", ext: true, k, key_ops: ["encrypt", "decrypt"] },
      iv: toBase64(counter),
      hashes: { sha256: toBase64(new Uint8Array(hash)) },
    },
  };
}

/** Opens an attachment; DamagedFile when a bit of it was changed. */
export async function decryptAttachment(data: ArrayBuffer, file: EncryptedFile): Promise<ArrayBuffer> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  if (toBase64(hash) !== file.hashes.sha256.replace(/=+$/, "")) throw new DamagedFile();
  const jwk: JsonWebKey = { ...file.key, key_ops: ["encrypt", "decrypt"] };
  const key = await crypto.subtle.importKey("jwk", jwk, { name: "AES-CTR" }, false, ["decrypt"]);
  return crypto.subtle.decrypt({ name: "AES-CTR", counter: fromBase64(file.iv), length: 64 }, key, data);
}

/** Base64 without padding, as Matrix writes it. */
export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
