// Writes NAME.br and NAME.gz beside every built file that is worth it, so that the server never compresses while answering.
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url).pathname;
/** The best setting takes half a minute for the encryption, which is waited for least. */
const large = 4_000_000;

function brotli(plain) {
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN, BROTLI_PARAM_SIZE_HINT } = constants;
  return brotliCompressSync(plain, { params: { [BROTLI_PARAM_QUALITY]: plain.length > large ? 9 : 11, [BROTLI_PARAM_LGWIN]: 22, [BROTLI_PARAM_SIZE_HINT]: plain.length } });
}

for (const name of readdirSync(dist, { recursive: true })) {
  const path = join(dist, name);
  if (!/\.(js|css|wasm|svg|html|webmanifest)$/.test(name) || statSync(path).size < 1024) continue;
  const plain = readFileSync(path);
  const packed = gzipSync(plain, { level: 9 });
  if (packed.length >= plain.length * 0.9) continue;
  writeFileSync(`${path}.gz`, packed);
  writeFileSync(`${path}.br`, brotli(plain));
}
