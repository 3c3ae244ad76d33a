import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

const css = readFileSync(new URL("./tokens.css", import.meta.url), "utf8");

/** The colours that hold where all of these selectors do, later ones over earlier ones. */
function tokensOf(...selectors: string[]): Map<string, string> {
  const tokens = new Map<string, string>();
  for (const [, selector = "", block = ""] of css.matchAll(/^(:root\S*) \{\n([^}]*)\}/gm)) {
    if (!selectors.includes(selector)) continue;
    for (const [, name = "", value = ""] of block.matchAll(/--([a-z0-9-]+): (#[0-9a-f]{6});/g)) tokens.set(name, value);
  }
  return tokens;
}

const dark = ':root[data-theme="dark"]';
const more = ':root[data-contrast="more"]';
const themes = {
  light: tokensOf(":root"),
  dark: tokensOf(":root", dark),
  "high contrast": tokensOf(":root", more),
  "dark high contrast": tokensOf(":root", dark, more, `${more}[data-theme="dark"]`),
};

/** What is written on what. */
const pairs: readonly (readonly [string, string])[] = [
  ...["text", "text-soft", "accent", "danger", "warn", "good", "quiet"].flatMap((ink) => ["canvas", "surface", "hover"].map((ground) => [ink, ground] as const)),
  ...["text", "text-soft"].flatMap((ink) => ["sunken", "selected"].map((ground) => [ink, ground] as const)),
  ["accent", "selected"],
  ["on-accent", "accent"],
  ["on-accent", "accent-hover"],
  ["own-text", "own"],
  ["own-soft", "own"],
  ["text", "other"],
  ["text-soft", "other"],
  ["danger", "danger-soft"],
  ["warn", "warn-soft"],
  ["quiet", "quiet-soft"],
  ["surface", "text"],
  ["on-stage", "stage"],
  ...Array.from({ length: 8 }, (_, i) => ["tint-text", `tint-${String(i)}`] as const),
];
const critical: readonly (readonly [string, string])[] = [["critical", "surface"], ["critical", "canvas"], ["on-critical", "critical"]];

describe.each(Object.entries(themes))("the %s theme", (name, tokens) => {
  const contrastOf = ([ink, ground]: readonly [string, string]): number => contrast(tokens.get(ink) ?? "", tokens.get(ground) ?? "");

  it(`can be read: ${name.includes("contrast") ? "7" : "4.5"}:1`, () => {
    const least = name.includes("contrast") ? 7 : 4.5;
    expect(pairs.filter((pair) => !(contrastOf(pair) >= least)).map((pair) => `${pair.join(" on ")}: ${contrastOf(pair).toFixed(2)}`)).toEqual([]);
  });

  it("has what is critical at 7:1, and edges of fields at 3:1", () => {
    expect(critical.map(contrastOf).filter((found) => !(found >= 7))).toEqual([]);
    expect(contrastOf(["border-strong", "surface"])).toBeGreaterThanOrEqual(3);
  });
});

/** WCAG 2.2, "contrast ratio". */
function contrast(a: string, b: string): number {
  const [light, shade] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return ((light ?? 0) + 0.05) / ((shade ?? 0) + 0.05);
}

function luminance(colour: string): number {
  const [r = Number.NaN, g = Number.NaN, b = Number.NaN] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
