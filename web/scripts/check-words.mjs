// Fails when a key is used nowhere, when a key is used that is missing, when a language lacks a key, has one too many or
// has one twice, when a message does not parse, fills in other values than the English one, or lacks a plural form that
// its language has. Keys are always written out in the source.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parse, TYPE } from "@formatjs/icu-messageformat-parser";

const root = new URL("../src/", import.meta.url).pathname;
const locales = join(root, "locales");
const read = (name) => readFileSync(join(locales, name), "utf8");
const english = JSON.parse(read("en.json"));

const sources = readdirSync(root, { recursive: true })
  .filter((name) => /\.tsx?$/.test(name) && !/\.test\.tsx?$/.test(name))
  .map((name) => readFileSync(join(root, name), "utf8"));
const quoted = new Set(sources.flatMap((text) => [...text.matchAll(/["'`]([a-z][A-Za-z]*(?:\.[A-Za-z]+)+)["'`]/g)].map((m) => m[1])));
const asked = new Set(sources.flatMap((text) => [...text.matchAll(/\bt\(\s*"([^"]+)"/g)].map((m) => m[1])));

/** A form that may be given as a number instead. */
const exact = { zero: "=0", one: "=1", two: "=2" };

const faults = [];
for (const key of Object.keys(english)) if (!quoted.has(key)) faults.push(`en.json: "${key}" is used nowhere`);
for (const key of asked) if (!(key in english)) faults.push(`"${key}" is used but missing in en.json`);
for (const name of readdirSync(locales).filter((file) => file.endsWith(".json"))) checkLocale(name);

function checkLocale(name) {
  const text = read(name);
  const words = JSON.parse(text);
  const seen = new Set();
  for (const [, key] of text.matchAll(/^ {2}"([^"]+)":/gm)) {
    if (seen.has(key)) faults.push(`${name}: "${key}" is there twice`);
    seen.add(key);
  }
  for (const key of Object.keys(english)) if (!(key in words)) faults.push(`${name}: "${key}" is missing`);
  for (const [key, message] of Object.entries(words)) {
    if (!(key in english)) faults.push(`${name}: "${key}" is not in en.json`);
    else checkMessage(name, key, message);
  }
}

function checkMessage(name, key, message) {
  let parts;
  try {
    parts = parse(message);
  } catch (fault) {
    faults.push(`${name}: "${key}" does not parse: ${fault.message}`);
    return;
  }
  const [mine, theirs] = [valuesOf(parts), valuesOf(parse(english[key]))];
  if (mine !== theirs) faults.push(`${name}: "${key}" fills in ${mine || "nothing"}, the English one ${theirs || "nothing"}`);
  const forms = new Intl.PluralRules(name.replace(".json", "")).resolvedOptions().pluralCategories;
  for (const options of pluralsOf(parts)) {
    const lacking = forms.filter((form) => !(form in options) && !(exact[form] in options));
    if (lacking.length > 0) faults.push(`${name}: "${key}" lacks the plural form ${lacking.join(", ")}`);
  }
}

/** The names that a message fills in, each once, with how it is used where that is more than writing it out. */
function valuesOf(parts) {
  const found = new Set();
  walk(parts, (part) => {
    if (part.type === TYPE.argument) found.add(part.value);
    else if (part.type === TYPE.tag) found.add(`<${part.value}>`);
    else if (part.type !== TYPE.literal && part.type !== TYPE.pound) found.add(`${part.value} (${TYPE[part.type]})`);
  });
  return [...found].sort().join(", ");
}

function pluralsOf(parts) {
  const found = [];
  walk(parts, (part) => {
    if (part.type === TYPE.plural) found.push(part.options);
  });
  return found;
}

function walk(parts, visit) {
  for (const part of parts) {
    visit(part);
    for (const option of Object.values(part.options ?? {})) walk(option.value, visit);
    walk(part.children ?? [], visit);
  }
}

for (const fault of faults) console.error(fault);
process.exit(faults.length > 0 ? 1 : 0);
