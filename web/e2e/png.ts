import { crc32, deflateSync } from "node:zlib";

/** A PNG with a soft drawing in it, so that a test picture looks like something. */
export function drawPng(width: number, height: number): Buffer {
  const rows = Buffer.alloc((width * 3 + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * (width * 3 + 1) + 1 + x * 3;
      const beat = height / 2 - trace(x / width) * height * 0.35;
      const near = Math.abs(y - beat) < 2.5;
      const grid = x % 20 === 0 || y % 20 === 0;
      rows.set(near ? [20, 40, 60] : grid ? [246, 200, 200] : [255, 246, 244], at);
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

/** Three heart beats across the picture. */
function trace(at: number): number {
  const beat = (at * 3) % 1;
  const peak = (centre: number, wide: number, high: number): number => high * Math.exp(-(((beat - centre) / wide) ** 2));
  return peak(0.2, 0.03, 0.15) + peak(0.35, 0.012, 1) - peak(0.385, 0.014, 0.3) + peak(0.6, 0.05, 0.25);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}
