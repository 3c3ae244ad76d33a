// Fails on what breaks a theme, a large text or a language that runs the other way: colours outside tokens.css, left and
// right instead of start and end, sizes of type in pixels, layouts that turn at pixels.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const root = new URL("../src/", import.meta.url).pathname;
const rules = [
  [/#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch)a?\(/i, "a colour outside tokens.css"],
  [/(?:^|[\s;{])(?:left|right|(?:margin|padding|border|scroll-margin|scroll-padding)-(?:left|right)(?:-[a-z]+)?)\s*:/, "left or right instead of inline-start or inline-end"],
  [/border-(?:top|bottom)-(?:left|right)-radius/, "a corner by left or right instead of start and end"],
  [/(?:text-align|float|clear)\s*:\s*(?:left|right)\b/, "left or right instead of start or end"],
  [/(?:padding|margin|inset)\s*:\s*(\S+(?:\([^)]*\))?)\s+(\S+(?:\([^)]*\))?)\s+(\S+(?:\([^)]*\))?)\s+(?!\2;)[^;\s]+;/, "four values that differ left and right"],
  [/font(?:-size)?\s*:(?![^;]*min\()[^;]*\d+px/, "a size of type in pixels, other than as the most it may grow to"],
  [/@media[^{]*(?:min|max)-width/, "a layout that turns at pixels instead of @container app"],
  [/translateX\((?!calc\([^)]*--forward|-?50%)/, "a move along the line without --forward"],
];

const faults = [];
for (const name of readdirSync(root, { recursive: true }).filter((file) => file.endsWith(".css") && !file.endsWith("tokens.css"))) {
  const logo = name.endsWith("Logo.module.css"); // the mark has its colours in every theme
  for (const [index, line] of readFileSync(join(root, name), "utf8").split("\n").entries()) {
    for (const [wrong, why] of rules) {
      if (wrong.test(line) && !(logo && why.startsWith("a colour"))) faults.push(`src/${name}:${index + 1}: ${why}: ${line.trim()}`);
    }
  }
}
for (const fault of faults) console.error(fault);
process.exit(faults.length > 0 ? 1 : 0);
