// Writes NAME.gz beside every built file that is worth it, so that the server never compresses while answering.
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url).pathname;
for (const name of readdirSync(dist, { recursive: true })) {
  const path = join(dist, name);
  if (!/\.(js|css|wasm|svg|html|webmanifest)$/.test(name) || statSync(path).size < 1024) continue;
  const packed = gzipSync(readFileSync(path), { level: 9 });
  if (packed.length < statSync(path).size * 0.9) writeFileSync(`${path}.gz`, packed);
}
