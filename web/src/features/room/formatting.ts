/** A text with a part of it chosen. */
export interface Chosen {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export type Format = "bold" | "italic" | "code" | "list" | "numbers" | "quote" | "link";

const around: Readonly<Record<"bold" | "italic" | "code", string>> = { bold: "**", italic: "_", code: "`" };

/** Formats what is chosen, or takes the format away where it is so already. */
export function format(chosen: Chosen, how: Format): Chosen {
  switch (how) {
    case "bold":
    case "italic":
    case "code":
      return wrap(chosen, around[how]);
    case "list":
      return lines(chosen, () => "- ", /^- /);
    case "numbers":
      return lines(chosen, (i) => `${String(i + 1)}. `, /^\d+\. /);
    case "quote":
      return lines(chosen, () => "> ", /^> /);
    case "link": {
      const { text, start, end } = chosen;
      const link = `[${text.slice(start, end)}](https://)`;
      const at = start + link.length - 1;
      return { text: text.slice(0, start) + link + text.slice(end), start: at, end: at };
    }
  }
}

function wrap({ text, start, end }: Chosen, mark: string): Chosen {
  const size = mark.length;
  if (text.slice(start - size, start) === mark && text.slice(end, end + size) === mark) {
    return { text: text.slice(0, start - size) + text.slice(start, end) + text.slice(end + size), start: start - size, end: end - size };
  }
  return { text: text.slice(0, start) + mark + text.slice(start, end) + mark + text.slice(end), start: start + size, end: end + size };
}

function lines({ text, start, end }: Chosen, mark: (line: number) => string, marked: RegExp): Chosen {
  const from = text.lastIndexOf("\n", start - 1) + 1;
  const next = text.indexOf("\n", end);
  const to = next === -1 ? text.length : next;
  const all = text.slice(from, to).split("\n");
  const undo = all.every((line) => marked.test(line));
  const changed = all.map((line, i) => (undo ? line.replace(marked, "") : mark(i) + line)).join("\n");
  return { text: text.slice(0, from) + changed + text.slice(to), start: from + changed.length, end: from + changed.length };
}

/** What is being typed before the caret and asks for a choice. */
export interface Trigger {
  readonly kind: "person" | "emoji" | "reply";
  readonly term: string;
  /** Where it begins in the text. */
  readonly start: number;
}

/** "@an" asks for a person, ":smi" for an emoji, "/" at the very beginning for a saved reply. */
export function triggerAt(text: string, caret: number): Trigger | undefined {
  const before = text.slice(0, caret);
  const person = /(?:^|[\s(])@([^\s@][^@\n]{0,30}|)$/u.exec(before);
  if (person !== null && (person[1] ?? "").split(" ").length <= 3) return { kind: "person", term: person[1] ?? "", start: caret - (person[1] ?? "").length - 1 };
  const emoji = /(?:^|[\s(]):([\p{L}\d_+-]{2,30})$/u.exec(before);
  if (emoji !== null) return { kind: "emoji", term: emoji[1] ?? "", start: caret - (emoji[1] ?? "").length - 1 };
  const reply = /^\/([^/\n]{0,30})$/u.exec(before);
  if (reply !== null) return { kind: "reply", term: reply[1] ?? "", start: 0 };
  return undefined;
}
