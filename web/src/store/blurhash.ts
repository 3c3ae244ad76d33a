// BlurHash: a picture as a handful of cosine waves, written in twenty-odd characters. https://blurha.sh

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

type Colour = readonly [number, number, number];

/** Writes RGBA pixels as `across` times `down` waves. A few dozen pixels a side are plenty. */
export function encodeBlurhash(pixels: Uint8ClampedArray, width: number, height: number, across = 4, down = 3): string {
  const waves: Colour[] = [];
  for (let y = 0; y < down; y++) for (let x = 0; x < across; x++) waves.push(wave(pixels, width, height, x, y));
  const [mean = [0, 0, 0], ...rest] = waves;
  const loudest = Math.max(0, ...rest.flat().map(Math.abs));
  const step = rest.length === 0 ? 0 : Math.max(0, Math.min(82, Math.floor(loudest * 166 - 0.5)));
  const scale = (step + 1) / 166;
  const level = (value: number): number => Math.max(0, Math.min(18, Math.floor(signedRoot(value / scale) * 9 + 9.5)));
  const [r, g, b] = mean;
  return (
    write(across - 1 + (down - 1) * 9, 1) +
    write(step, 1) +
    write((toByte(r) << 16) + (toByte(g) << 8) + toByte(b), 4) +
    rest.map(([red, green, blue]) => write(level(red) * 361 + level(green) * 19 + level(blue), 2)).join("")
  );
}

/** RGBA pixels of a hash; undefined when it is none. */
export function decodeBlurhash(hash: string, width: number, height: number): Uint8ClampedArray<ArrayBuffer> | undefined {
  if (hash.length < 6 || [...hash].some((char) => !digits.includes(char))) return undefined;
  const size = read(hash.slice(0, 1));
  const across = (size % 9) + 1;
  const down = Math.floor(size / 9) + 1;
  if (hash.length !== 4 + 2 * across * down) return undefined;
  const scale = (read(hash.slice(1, 2)) + 1) / 166;
  const mean = read(hash.slice(2, 6));
  const waves: Colour[] = [[toLinear(mean >> 16), toLinear((mean >> 8) & 255), toLinear(mean & 255)]];
  const level = (value: number): number => Math.sign(value - 9) * ((value - 9) / 9) ** 2 * scale;
  for (let at = 6; at < hash.length; at += 2) {
    const value = read(hash.slice(at, at + 2));
    waves.push([level(Math.floor(value / 361)), level(Math.floor(value / 19) % 19), level(value % 19)]);
  }
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const sum = [0, 0, 0];
      waves.forEach((colour, i) => {
        const basis = Math.cos((Math.PI * x * (i % across)) / width) * Math.cos((Math.PI * y * Math.floor(i / across)) / height);
        for (let c = 0; c < 3; c++) sum[c] = (sum[c] ?? 0) + (colour[c] ?? 0) * basis;
      });
      pixels.set([...sum.map(toByte), 255], 4 * (y * width + x));
    }
  }
  return pixels;
}

function wave(pixels: Uint8ClampedArray, width: number, height: number, across: number, down: number): Colour {
  const sum = [0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const basis = Math.cos((Math.PI * across * x) / width) * Math.cos((Math.PI * down * y) / height);
      for (let c = 0; c < 3; c++) sum[c] = (sum[c] ?? 0) + basis * toLinear(pixels[4 * (y * width + x) + c] ?? 0);
    }
  }
  const scale = (across === 0 && down === 0 ? 1 : 2) / (width * height);
  return [(sum[0] ?? 0) * scale, (sum[1] ?? 0) * scale, (sum[2] ?? 0) * scale];
}

function toLinear(byte: number): number {
  const value = byte / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function toByte(linear: number): number {
  const value = Math.max(0, Math.min(1, linear));
  return Math.round((value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055) * 255);
}

function signedRoot(value: number): number {
  return Math.sign(value) * Math.sqrt(Math.abs(value));
}

function write(value: number, length: number): string {
  let text = "";
  for (let rest = value, i = 0; i < length; i++, rest = Math.floor(rest / 83)) text = (digits[rest % 83] ?? "") + text;
  return text;
}

function read(text: string): number {
  return [...text].reduce((value, char) => value * 83 + digits.indexOf(char), 0);
}
