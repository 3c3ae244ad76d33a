/**
 * Folds and splits text so that people find what they look for, whatever the case and the accents, in languages that put
 * spaces between words and in those that do not. The server does the same to what it may read (homeserver/words).
 */

/** How many bytes of a word count; longer ones are no words of a language. */
const longest = 64;

/** They have no decomposition; people type them like this. */
const plainLetters: Readonly<Record<string, string>> = { ß: "ss", æ: "ae", œ: "oe", ø: "o", ł: "l", đ: "d", ð: "d", þ: "th", ı: "i" };

const wordSign = /[\p{L}\p{N}\p{Mc}]/u;

/** The scripts that put no spaces between words, and Korean, which puts endings behind them. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}]/u;

type Kind = "none" | "word" | "unspaced";

/** A folded letter, and the piece of the text that it stands for. */
interface Letter {
  readonly sign: string;
  readonly kind: Kind;
  readonly from: number;
  to: number;
}

/** A word of a text. `letter`: one of a run without spaces, which is found by itself. */
interface Found {
  readonly word: string;
  readonly letter: boolean;
  /** Of a run without spaces: its only letter. */
  readonly alone: boolean;
  readonly from: number;
  readonly to: number;
}

/** What is looked for: all of the words, and a word that begins so, for the last one may not be written to its end. */
export interface Wanted {
  readonly words: readonly string[];
  readonly beginning: string | undefined;
}

/** A piece of a text; `hit` when it is what was looked for. */
export interface Piece {
  readonly text: string;
  readonly hit: boolean;
}

/** What a text is found by, each once: its words; of scripts without spaces each letter and each two neighbours. */
export function wordsOf(text: string): Set<string> {
  return new Set(scan(text).map(({ word }) => word));
}

/** What a text must have so that a query finds it. */
export function wantedOf(query: string): Wanted {
  const found = scan(query).filter(({ letter, alone }) => !letter || alone);
  const last = found.at(-1);
  const open = last !== undefined && last.to === query.normalize("NFC").length && !unspaced.test(last.word) && [...last.word].length > 1;
  const words = new Set((open ? found.slice(0, -1) : found).map(({ word }) => word));
  return { words: [...words], beginning: open ? last.word : undefined };
}

/** Is there anything to look for? */
export function isWanted({ words, beginning }: Wanted): boolean {
  return words.length > 0 || beginning !== undefined;
}

export function finds({ words, beginning }: Wanted, text: string): boolean {
  const has = wordsOf(text);
  return words.every((word) => has.has(word)) && (beginning === undefined || [...has].some((word) => word.startsWith(beginning)));
}

/** The part of a text around its first hit, of about a length, with the hits in it. */
export function piecesOf(text: string, wanted: Wanted, length: number): Piece[] {
  const whole = text.normalize("NFC");
  const hits = hitsIn(whole, wanted);
  const first = hits[0]?.[0] ?? 0;
  const start = whole.length <= length || first < length / 2 ? 0 : beginAt(whole, first - Math.floor(length / 3));
  const end = start + length >= whole.length ? whole.length : endAt(whole, start + length);
  const pieces: Piece[] = [];
  const add = (from: number, to: number, hit: boolean): void => {
    const part = whole.slice(from, to).replaceAll(/\s+/gu, " ");
    if (part !== "") pieces.push({ text: part, hit });
  };
  let at = start;
  if (start > 0) pieces.push({ text: "…", hit: false });
  for (const [from, to] of hits) {
    if (to <= at || from >= end) continue;
    add(at, from, false);
    add(Math.max(at, from), Math.min(to, end), true);
    at = Math.min(to, end);
  }
  add(at, end, false);
  if (end < whole.length) pieces.push({ text: "…", hit: false });
  return pieces;
}

/** Where hits begin and end, in order, those that touch as one. */
function hitsIn(text: string, { words, beginning }: Wanted): [number, number][] {
  const hits: [number, number][] = [];
  for (const { word, from, to } of scan(text)) {
    if (!words.includes(word) && (beginning === undefined || !word.startsWith(beginning))) continue;
    const last = hits.at(-1);
    if (last === undefined || from > last[1]) hits.push([from, to]);
    else last[1] = Math.max(last[1], to);
  }
  return hits;
}

const near = 24;

/** A place to begin at: behind a space when there is one near. */
function beginAt(text: string, at: number): number {
  const space = text.slice(at, at + near).search(/\s/u);
  return whole(text, space < 0 ? at : at + space + 1);
}

function endAt(text: string, at: number): number {
  const space = text.slice(at - near, at).lastIndexOf(" ");
  return whole(text, space < 0 ? at : at - near + space);
}

/** Not in the middle of a sign that is two units long. */
function whole(text: string, at: number): number {
  return /[\uDC00-\uDFFF]/.test(text.charAt(at)) ? at - 1 : at;
}

/** The words of a text in order; a run without spaces as its letters and its pairs. */
function scan(text: string): Found[] {
  const letters = lettersOf(text.normalize("NFC"));
  const found: Found[] = [];
  for (let i = 0; i < letters.length; ) {
    const kind = letters[i]?.kind ?? "none";
    let end = i + 1;
    while (kind !== "none" && letters[end]?.kind === kind) end++;
    if (kind === "word") {
      end = decimals(letters, end);
      found.push(wordOf(letters.slice(i, end), false, false));
    } else if (kind === "unspaced") {
      for (let at = i; at < end; at++) {
        found.push(wordOf(letters.slice(at, at + 1), true, end === i + 1));
        if (at + 1 < end) found.push(wordOf(letters.slice(at, at + 2), false, false));
      }
    }
    i = end;
  }
  return found;
}

function wordOf(letters: readonly Letter[], letter: boolean, alone: boolean): Found {
  const word = cut(letters.map(({ sign }) => sign).join(""));
  return { word, letter, alone, from: letters[0]?.from ?? 0, to: letters.at(-1)?.to ?? 0 };
}

/** Where a number ends whose first part ends at `end`: 0.25, 1,000. */
function decimals(letters: readonly Letter[], end: number): number {
  const digit = (at: number): boolean => /^[0-9]$/.test(letters[at]?.sign ?? "");
  while (digit(end - 1) && /^[.,]$/.test(letters[end]?.sign ?? "") && digit(end + 1)) for (end++; digit(end); end++);
  return end;
}

function lettersOf(text: string): Letter[] {
  const letters: Letter[] = [];
  let from = 0;
  for (const sign of text) {
    const to = from + sign.length;
    const folded = fold(sign);
    const last = letters.at(-1);
    if (folded.length === 0 && last !== undefined) last.to = to; // a mark belongs to its letter
    for (const one of folded) letters.push({ ...one, from, to });
    from = to;
  }
  return letters;
}

const folds = new Map<string, readonly { readonly sign: string; readonly kind: Kind }[]>();

/** A sign without case, diacritics and what differs only in how it is written. */
function fold(sign: string): readonly { readonly sign: string; readonly kind: Kind }[] {
  const known = folds.get(sign);
  if (known !== undefined) return known;
  const bare = sign.normalize("NFKD").replaceAll(/\p{Mn}/gu, "").toLowerCase();
  const plain = [...bare].map((one) => plainLetters[one] ?? one).join("").normalize("NFC"); // Korean syllables in one piece
  const folded = [...plain].map((one) => ({ sign: one, kind: !wordSign.test(one) ? ("none" as const) : unspaced.test(one) ? ("unspaced" as const) : ("word" as const) }));
  folds.set(sign, folded);
  return folded;
}

function cut(word: string): string {
  if (word.length * 3 <= longest) return word;
  return new TextDecoder().decode(new TextEncoder().encode(word).subarray(0, longest), { stream: true });
}
