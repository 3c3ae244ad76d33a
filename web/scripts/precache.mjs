// Tells the built service worker which files make up this version. The encryption is among them: it comes last, so that
// what is needed to read the list is there first.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const dist = new URL("../dist/", import.meta.url).pathname;
const names = readdirSync(dist, { recursive: true })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => statSync(join(dist, name)).isFile() && name !== "sw.js" && !/\.(br|gz|map)$/.test(name))
  .sort();
const hash = createHash("sha256");
for (const name of names) hash.update(`${name}\0`).update(readFileSync(join(dist, name)));
const files = names.filter((name) => name !== "index.html").map((name) => `/${name}`);
files.sort((a, b) => Number(a.endsWith(".wasm")) - Number(b.endsWith(".wasm")));
const build = { version: hash.digest("hex").slice(0, 12), files: ["/", ...files] };
const worker = join(dist, "sw.js");
writeFileSync(worker, `const build = ${JSON.stringify(build)};\n${readFileSync(worker, "utf8")}`);
