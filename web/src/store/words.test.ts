import { describe, expect, it } from "vitest";

import { finds, piecesOf, wantedOf, wordsOf } from "./words.ts";

describe("words", () => {
  // The same as in homeserver/words: what the device finds and what the server finds mean the same.
  it.each([
    ["", []],
    ["!?  –", []],
    ["Fieber, Fieber: 39,5 °C", ["39,5", "c", "fieber"]],
    ["2.5 mg of Müller's ÇA", ["2.5", "ca", "mg", "muller", "of", "s"]],
    ["end. 10.", ["10", "end"]],
    ["Straße", ["strasse"]],
    ["ﬁeld ½", ["1", "2", "field"]],
    ["الحُمّى", ["الحمى"]],
    ["أدوية إلى آخر", ["ادوية", "الى", "اخر"]],
    ["東京都", ["京", "京都", "東", "東京", "都"]],
    ["COVID検査", ["covid", "検", "検査", "査"]],
    ["병원에서", ["병", "병원", "서", "에", "에서", "원", "원에"]],
    ["병원".normalize("NFD"), ["병", "병원", "원"]],
    ["ไข้สูง", ["ข", "ขส", "ง", "ส", "สง", "ไ", "ไข"]],
    ["mg5", ["mg5"]],
    ["v1.10.2", ["v1.10.2"]],
  ])("of %j", (text, words) => {
    expect([...wordsOf(text)].toSorted()).toEqual(words.toSorted());
  });

  it("cuts what is no word of a language", () => {
    expect([...wordsOf("ä".repeat(40) + "京".repeat(2))]).toEqual(["a".repeat(40), "京", "京京"]);
    expect([...wordsOf("ж".repeat(40))]).toEqual(["ж".repeat(32)]);
  });

  it.each([
    ["東京", { words: ["東京"], beginning: undefined }],
    ["東", { words: ["東"], beginning: undefined }],
    ["東京 fever", { words: ["東京"], beginning: "fever" }],
    ["Fever ", { words: ["fever"], beginning: undefined }],
    ["bed 12", { words: ["bed"], beginning: "12" }],
    ["bed 1", { words: ["bed", "1"], beginning: undefined }],
    ["  ", { words: [], beginning: undefined }],
  ])("wants of %j", (query, wanted) => {
    expect(wantedOf(query)).toEqual(wanted);
  });

  it.each([
    ["müll", "Frau Mueller und Frau Müller", true],
    ["MULLER", "Frau Müller", true],
    ["fever morn", "No fever this morning", true],
    ["fever noon", "No fever this morning", false],
    ["feve ", "No fever this morning", false],
    ["ever", "No fever this morning", false],
    ["strasse", "Lange Straße", true],
    ["الحمى", "الحُمّى مرتفعة", true],
    ["ادوي", "أدوية", true],
    ["京都", "東京都", true],
    ["都東", "東京都", false],
    ["ไข้", "มีไข้สูง", true],
    ["39", "39,5 °C", true],
  ])("%j in %j: %s", (query, text, found) => {
    expect(finds(wantedOf(query), text)).toBe(found);
  });
});

describe("pieces", () => {
  const marked = (text: string, query: string, length = 200): string =>
    piecesOf(text, wantedOf(query), length)
      .map(({ text: part, hit }) => (hit ? `[${part}]` : part))
      .join("");

  it.each([
    ["Troponin is back, TROPONINE too", "tropo", "[Troponin] is back, [TROPONINE] too"],
    ["Frau Mu\u0308ller", "muller", "Frau [Müller]"],
    ["الحُمّى مرتفعة", "الحمى ", "[الحُمّى] مرتفعة"],
    ["明日東京都へ", "東京都", "明日[東京都]へ"],
    ["two\n\nlines", "lines", "two [lines]"],
    ["nothing", "other", "nothing"],
  ])("of %j for %j", (text, query, pieces) => {
    expect(marked(text, query)).toBe(pieces);
  });

  it("are cut around the first hit", () => {
    const long = `${"word ".repeat(40)}fever ${"word ".repeat(40)}`;
    const shown = marked(long, "fever", 60);
    expect(shown).toMatch(/^…word .*\[fever\] word.*…$/);
    expect(shown.length).toBeLessThan(70);
  });
});
