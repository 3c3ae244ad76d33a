import DOMPurify from "dompurify";

/** The parts of HTML that a message may have ("m.room.message msgtypes"), less pictures, colours and headings' sizes. */
const tags = "del h1 h2 h3 h4 h5 h6 blockquote p a ul ol sup sub li b i u strong em s code hr br div table thead tbody tr th td caption pre span details summary".split(" ");
const attributes = ["href", "start", "class", "data-mx-spoiler"];

/** What is left of a message's HTML when everything is taken out that is not known to be harmless. Inert: nothing in it has run or loaded. */
export function safeHtml(html: string): DocumentFragment {
  return DOMPurify.sanitize(html, {
    ALLOWED_TAGS: tags,
    ALLOWED_ATTR: attributes,
    ADD_URI_SAFE_ATTR: ["start"], // every other value must be an address that may be gone to
    ALLOWED_URI_REGEXP: /^(?:https?|mailto|tel|matrix):/i,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ADD_FORBID_CONTENTS: ["mx-reply"],
    RETURN_DOM_FRAGMENT: true,
  });
}

/** Where a link may go; undefined for every other address. */
export function safeAddress(href: string): string | undefined {
  try {
    const { protocol, href: whole } = new URL(href);
    return ["http:", "https:", "mailto:", "tel:"].includes(protocol) ? whole : undefined;
  } catch {
    return undefined; // not an address
  }
}

/** The person whom a link names: https://matrix.to/#/@anna:example.org. */
export function personOfLink(href: string): string | undefined {
  const found = /^https:\/\/matrix\.to\/#\/(@[^/?]+|%40[^/?]+)/.exec(href)?.[1];
  try {
    return found === undefined ? undefined : decodeURIComponent(found);
  } catch {
    return undefined;
  }
}

export interface Piece {
  readonly text: string;
  readonly href: string | undefined;
}

const address = /\bhttps?:\/\/[^\s<>"'\u2066-\u2069]+|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+/gu;

/** A text cut where the addresses in it begin and end. */
export function linkify(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(address)) {
    const found = trimmed(match[0]);
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), href: undefined });
    pieces.push({ text: found, href: safeAddress(found.includes("://") ? found : `mailto:${found}`) });
    at = match.index + found.length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), href: undefined });
  return pieces;
}

/** Without the full stop, comma or bracket that belongs to the sentence around it. */
function trimmed(found: string): string {
  let end = found.replace(/[.,;:!?…]+$/u, "");
  for (const [open, close] of ["()", "[]", "{}"].map((pair) => [...pair])) {
    if (open !== undefined && close !== undefined && end.endsWith(close) && !end.includes(open)) end = end.slice(0, -1);
  }
  return end;
}

const onlyEmoji = /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|[0-9#*]\u{FE0F}?\u{20E3}|[\u{200D}\u{FE0F}\s])+$/u;

/** A few signs and nothing else: they may be large. */
export function isFewEmoji(text: string): boolean {
  if (text.length > 60 || !onlyEmoji.test(text)) return false;
  const signs = [...new Intl.Segmenter().segment(text)].filter(({ segment }) => segment.trim() !== "");
  return signs.length > 0 && signs.length <= 4;
}
