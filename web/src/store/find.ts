/** Does every word of the term begin some word of the text? As people type names: without accents and case. */
export function begins(text: string, term: string): boolean {
  const words = fold(text).split(/[\s.,:_-]+/);
  return fold(term)
    .split(/\s+/)
    .every((part) => words.some((word) => word.startsWith(part)));
}

function fold(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();
}
