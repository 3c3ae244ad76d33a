import { describe, expect, it } from "vitest";

import type { EncryptedFile } from "../store/media.ts";
import { DamagedFile, decryptAttachment, encryptAttachment, fromBase64, toBase64 } from "./attachment.ts";

const bytes = (text: string): ArrayBuffer => new TextEncoder().encode(text).buffer;
const words = (data: ArrayBuffer): string => new TextDecoder().decode(data);

describe("attachments", () => {
  it("come back as they went, and tell nothing on the way", async () => {
    const { data, file } = await encryptAttachment(bytes("a picture"));
    expect(words(data)).not.toContain("picture");
    expect(file).toMatchObject({ v: "v2", key: { kty: "oct", alg: "A256CTR", ext: true } });
    expect(file.key.k).toMatch(/^[\w-]{43}$/);
    expect(fromBase64(file.iv).slice(8)).toEqual(new Uint8Array(8)); // the counter half starts at zero
    expect(words(await decryptAttachment(data, { ...file, url: "mxc://s/1" }))).toBe("a picture");
  });

  it("are refused when a bit of them was changed", async () => {
    const { data, file } = await encryptAttachment(bytes("a picture"));
    const view = new DataView(data);
    view.setUint8(0, view.getUint8(0) ^ 1);
    await expect(decryptAttachment(data, { ...file, url: "mxc://s/1" })).rejects.toThrow(DamagedFile);
  });

  // The test vectors that the clients of Matrix share (matrix-encrypt-attachment).
  it.each<[string, string, string, string, string]>([
    ["", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", ""],
    ["5xJZTt5cQicm+9f4", "__________________________________________8", "//////////8AAAAAAAAAAA", "YzF08lARDdOCzJpzuSwsjTNlQc4pHxpdHcXiD/wpK6k", "SGVsbG8sIFdvcmxk"],
  ])("understands what others wrote: %s", async (cipher, k, iv, sha256, plain) => {
    const file: EncryptedFile = { v: "v2", url: "mxc://s/1", key: { kty: "oct", alg: "A256CTR", ext: true, k, key_ops: ["encrypt", "decrypt"] }, iv, hashes: { sha256 } };
    expect(toBase64(new Uint8Array(await decryptAttachment(fromBase64(cipher).buffer, file)))).toBe(plain);
  });
});
