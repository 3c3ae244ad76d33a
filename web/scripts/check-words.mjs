// Fails when a key of locales/en.json is used nowhere, when a key is used that is missing, when a message does not
// parse, or when another language lacks a key or has one too many. Keys are always written out in the source.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parse } from "@formatjs/icu-messageformat-parser";

const root = new URL("../src/", import.meta.url).pathname;
const locales = join(root, "locales");
const read = (name) => JSON.parse(readFileSync(join(locales, name), "utf8"));
const english = read("en.json");

const sources = readdirSync(root, { recursive: true })
  .filter((name) => /\.tsx?$/.test(name) && !/\.test\.tsx?$/.test(name))
  .map((name) => readFileSync(join(root, name), "utf8"));
const quoted = new Set(sources.flatMap((text) => [...text.matchAll(/["'`]([a-z][A-Za-z]*(?:\.[A-Za-z]+)+)["'`]/g)].map((m) => m[1])));
const asked = new Set(sources.flatMap((text) => [...text.matchAll(/\bt\(\s*"([^"]+)"/g)].map((m) => m[1])));

const faults = [];
for (const key of Object.keys(english)) if (!quoted.has(key)) faults.push(`en.json: "${key}" is used nowhere`);
for (const key of asked) if (!(key in english)) faults.push(`"${key}" is used but missing in en.json`);
for (const name of readdirSync(locales).filter((file) => file.endsWith(".json"))) {
  const words = read(name);
  for (const key of Object.keys(english)) if (!(key in words)) faults.push(`${name}: "${key}" is missing`);
  for (const [key, text] of Object.entries(words)) {
    if (!(key in english)) faults.push(`${name}: "${key}" is not in en.json`);
    try {
      parse(text);
    } catch (fault) {
      faults.push(`${name}: "${key}" does not parse: ${fault.message}`);
    }
  }
}
for (const fault of faults) console.error(fault);
process.exit(faults.length > 0 ? 1 : 0);
