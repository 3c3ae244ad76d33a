/** As much as one line of a list can show. So many times more of the HTML is read, marks included. */
const aLine = 1_000;
const marks = 20;
/** Deeper than this nothing is shown ("implementations should limit nesting"). */
const deepest = 30;

/** Elements whose text is a line of its own. */
const lines = new Set("p li h1 h2 h3 h4 h5 h6 blockquote div tr td th pre br hr ul ol table caption details summary".split(" "));
/** Elements whose text is no part of what is said; `mx-reply` is what the message answers. */
const silent = new Set("mx-reply script style template noscript iframe object title textarea select".split(" "));

/**
 * A formatted message in one line of text, without the marks of its formatting, for lists and quotes. It is shown as text
 * only, and a document that is only parsed runs and loads nothing. What is hidden until it is asked for stays hidden. It
 * is no longer than `most`.
 */
export function plainText(text: string, html: string | undefined, most = aLine): string {
  if (html === undefined) return text;
  const said: string[] = [];
  let length = 0;
  const walk = (parent: Node, depth: number): void => {
    for (const node of parent.childNodes) {
      if (length > most) return;
      if (node.nodeType === Node.TEXT_NODE) {
        const part = node.nodeValue ?? "";
        said.push(part);
        length += part.length;
      } else if (node.nodeType === Node.ELEMENT_NODE && depth < deepest) element(node as Element, depth + 1);
    }
  };
  const element = (node: Element, depth: number): void => {
    const name = node.localName;
    if (silent.has(name)) return;
    if (node.hasAttribute("data-mx-spoiler")) {
      said.push("…");
      return;
    }
    const gap = lines.has(name) ? " " : "";
    said.push(gap);
    if (name === "details") walkFolded(node, depth);
    else walk(node, depth);
    said.push(gap);
  };
  /** Only the line that is there before it is unfolded. */
  const walkFolded = (details: Element, depth: number): void => {
    for (const node of details.children) if (node.localName === "summary") walk(node, depth);
    said.push(" …");
  };
  walk(new DOMParser().parseFromString(html.slice(0, marks * most), "text/html").body, 0);
  return said.join("").replaceAll(/\s+/gu, " ").trim().slice(0, most);
}
