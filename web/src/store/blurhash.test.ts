import { describe, expect, it } from "vitest";

import { decodeBlurhash, encodeBlurhash } from "./blurhash.ts";

/** Dark on the left, red on the right. */
function halves(side: number): Uint8ClampedArray {
  return Uint8ClampedArray.from({ length: side * side * 4 }, (_, i) => {
    const right = Math.floor(i / 4) % side >= side / 2;
    return i % 4 === 3 ? 255 : right && i % 4 === 0 ? 230 : 10;
  });
}

describe("BlurHash", () => {
  it("keeps where a picture is light and where it is dark", () => {
    const hash = encodeBlurhash(halves(32), 32, 32);
    expect(hash).toHaveLength(28);
    const pixels = decodeBlurhash(hash, 8, 8);
    expect(pixels?.[0]).toBeLessThan(100);
    expect(pixels?.[4 * 7]).toBeGreaterThan(170);
    expect(pixels?.[4 * 7 + 1]).toBeLessThan(60);
  });

  it("keeps a plain colour", () => {
    const plain = Uint8ClampedArray.from({ length: 4 * 24 * 24 }, (_, i) => [12, 122, 117, 255][i % 4] ?? 0);
    const pixels = decodeBlurhash(encodeBlurhash(plain, 24, 24), 9, 9) ?? [];
    [12, 122, 117].forEach((value, i) => {
      expect(Math.abs((pixels[4 * 40 + i] ?? 0) - value)).toBeLessThan(12);
    });
  });

  // The example that the format's own description uses.
  it("reads what others wrote", () => {
    const pixels = decodeBlurhash("LEHV6nWB2yk8pyo0adR*.7kCMdnj", 4, 4) ?? [];
    expect([...pixels].slice(3, 4)).toEqual([255]);
    expect(pixels).toHaveLength(64);
  });

  it.each(["", "short", "LEHV6nWB2yk8pyo0adR*.7kCMdn", "LEHV6nWB2yk8pyo0adR*.7kCMd j"])("refuses %j", (hash) => {
    expect(decodeBlurhash(hash, 4, 4)).toBeUndefined();
  });
});
