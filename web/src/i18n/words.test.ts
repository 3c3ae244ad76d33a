import { describe, expect, it } from "vitest";

import { Preferences } from "../store/Preferences.ts";
import { followLanguage, languageOf, speechOf } from "./language.ts";
import { pseudo } from "./pseudo.ts";
import { daysBetween, isolate } from "./words.tsx";

describe("language", () => {
  it.each([
    ["system", ["fr-FR", "de-AT", "en"], "de"],
    ["system", ["fr"], "en"],
    ["ar", ["de"], "ar"],
  ] as const)("%s with a browser of %s speaks %s", (choice, wished, language) => {
    expect(languageOf(choice, wished)).toBe(language);
  });

  it("keeps the region, and writes Latin digits in Arabic too", () => {
    const { locale, tag, direction } = speechOf("ar", ["en", "ar-EG"], {});
    expect({ tag, direction }).toEqual({ tag: "ar-EG", direction: "rtl" });
    expect(new Intl.NumberFormat(locale).format(12.5)).toBe("12.5");
  });

  it("follows the choice at run time", async () => {
    const kept = new Map<string, string>();
    const preferences = new Preferences({ getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) });
    const speech = await followLanguage(preferences, ["en-GB"]);
    expect(speech.snapshot).toMatchObject({ language: "en", tag: "en-GB", direction: "ltr" });
    const changed = new Promise<void>((resolve) => speech.subscribe(resolve));
    preferences.choose({ language: "ar" });
    await changed;
    expect(speech.snapshot).toMatchObject({ language: "ar", direction: "rtl" });
    expect(new Preferences({ getItem: (name) => kept.get(name) ?? null, setItem: () => undefined }).snapshot.language).toBe("ar");
  });

  it("makes a pseudo-language that keeps what is filled in", () => {
    const [first, ...rest] = pseudo({ a: "Hi {name}" })["a"] ?? [];
    expect(first).toMatchObject({ value: "[" });
    expect(rest).toMatchObject([{ value: "Ħī " }, { value: "name" }, { value: "~~~]" }]);
  });
});

describe("words", () => {
  it.each([
    ["Ben", false, false],
    ["ليلى", false, true],
    ["ليلى", true, false],
    ["Ben", true, true],
    ["5-10 mg", true, true],
    ["ليلى حسن", true, false],
  ])("isolates %s in a sentence from the right %s: %s", (text, rtl, isolated) => {
    expect(isolate(text, rtl) !== text).toBe(isolated);
  });

  it("counts midnights, not hours", () => {
    const at = (day: number, hour: number): number => new Date(2026, 2, day, hour).getTime();
    expect(daysBetween(at(3, 23), at(4, 1))).toBe(1);
    expect(daysBetween(at(3, 1), at(3, 23))).toBe(0);
  });
});
