import { Marked, type Tokens } from "marked";

import type { Person } from "./model.ts";

// What somebody writes is plain text in which Markdown marks the emphasis. HTML in it is text like any other, pictures
// are never fetched, and a single line break is one. Signs that mean something on a ward stay what they are: "2*500*3",
// "> 180", "# NOF", "+ 1 tablet", "~10 ml" lose nothing.

const writer = new Marked({
  gfm: true,
  breaks: true,
  tokenizer: {
    emStrong: (src, _masked, before = "") => (src.startsWith("*") && /[\p{L}\p{N}]/u.test(before) ? undefined : false),
    del: (src) => (src.startsWith("~~") ? false : undefined),
    blockquote: (src) => (/^ {0,3}> *[\d=.,]/.test(src) ? undefined : false),
    list: (src) => (/^ {0,3}\+/.test(src) ? undefined : false),
    heading: () => undefined,
    lheading: () => undefined,
    code: () => undefined,
  },
  renderer: {
    html: ({ text }: Tokens.HTML | Tokens.Tag) => escaped(text),
    image: ({ raw }: Tokens.Image) => escaped(raw),
    checkbox: ({ checked }: Tokens.Checkbox) => (checked ? "☑ " : "☐ "),
  },
});

/**
 * The HTML of a message; undefined when it says nothing that the plain text does not. The people named in it become
 * links to them, which other Matrix apps show as pills.
 */
export function formatted(text: string, people: readonly Person[]): string | undefined {
  const named = people.filter((person) => text.includes(`@${person.name}`)).toSorted((a, b) => b.name.length - a.name.length);
  const marks = named.map((_, i) => String.fromCharCode(0xe000 + i)); // private use: no Markdown, no name
  let source = text;
  for (const [i, person] of named.entries()) source = source.replaceAll(`@${person.name}`, marks[i] ?? "");
  let html = writer.parse(source, { async: false }).trim();
  const plain = `<p>${escaped(source).replaceAll("\n", "<br>")}</p>`;
  if (named.length === 0 && (html === plain || html === plain.replaceAll("<br>", "<br />"))) return undefined;
  for (const [i, person] of named.entries()) {
    const link = `<a href="https://matrix.to/#/${encodeURIComponent(person.id)}">@${escaped(person.name)}</a>`;
    html = html.replaceAll(marks[i] ?? "", link);
  }
  // One paragraph needs no block around it.
  return /^<p>((?:(?!<p>)[\s\S])*)<\/p>$/.exec(html)?.[1] ?? html;
}

function escaped(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (char) => entities[char] ?? char);
}
