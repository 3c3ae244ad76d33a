// The emoji, with what they are called: our own copy of Emojibase's tables, fetched when somebody first wants one.

export interface Emoji {
  readonly sign: string;
  readonly name: string;
  readonly words: readonly string[];
  /** ":thumbsup:" without the colons. */
  readonly codes: readonly string[];
  readonly group: number;
}

interface Entry {
  readonly hexcode: string;
  readonly label: string;
  readonly unicode: string;
  readonly group?: number;
  readonly order?: number;
  readonly tags?: readonly string[];
}

type Codes = Readonly<Record<string, string | readonly string[]>>;

const groupOfComponents = 2;
const loaded = new Map<string, Promise<readonly Emoji[]>>();

/** All emoji, named in German where that is the language and in English elsewhere. */
export function loadEmoji(language: string): Promise<readonly Emoji[]> {
  const known = loaded.get(language);
  if (known !== undefined) return known;
  const loading = load(language);
  loaded.set(language, loading);
  loading.catch(() => loaded.delete(language));
  return loading;
}

async function load(language: string): Promise<readonly Emoji[]> {
  const [entries, codes] = await Promise.all([
    language.startsWith("de") ? import("emojibase-data/de/compact.json") : import("emojibase-data/en/compact.json"),
    import("emojibase-data/en/shortcodes/github.json"),
  ]);
  const names = codes.default as Codes;
  return (entries.default as readonly Entry[])
    .filter((entry) => entry.group !== undefined && entry.group !== groupOfComponents)
    .sort((a, b) => (a.order ?? 0) - (b.order ?? 0))
    .map(({ hexcode, label, unicode, tags = [], group = 0 }) => ({ sign: unicode, name: label, words: tags, codes: [names[hexcode] ?? []].flat(), group }));
}

/** The emoji that go with a word: those called so first, then those that begin so, then those that have to do with it. */
export function findEmoji(all: readonly Emoji[], term: string, most: number): readonly Emoji[] {
  const wanted = term.toLowerCase().replaceAll("_", " ").trim();
  if (wanted === "") return all.slice(0, most);
  const rank = (emoji: Emoji): number => {
    const names = [emoji.name.toLowerCase(), ...emoji.codes.map((code) => code.replaceAll("_", " "))];
    if (names.includes(wanted)) return 0;
    if (names.some((name) => name.startsWith(wanted))) return 1;
    if (emoji.words.some((word) => word.toLowerCase().startsWith(wanted))) return 2;
    return names.some((name) => name.includes(wanted)) ? 3 : 4;
  };
  return all
    .map((emoji) => ({ emoji, rank: rank(emoji) }))
    .filter((one) => one.rank < 4)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, most)
    .map((one) => one.emoji);
}
