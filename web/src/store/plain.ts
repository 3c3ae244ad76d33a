const marks: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " };

/**
 * A formatted message in one line of text, without the marks of its formatting, for lists and quotes. It is shown as text
 * only, so nothing in it can run. What is hidden until it is asked for stays hidden.
 */
export function plainText(text: string, html: string | undefined): string {
  if (html === undefined) return text;
  return html
    .replaceAll(/<mx-reply>.*?<\/mx-reply>/gsu, "")
    .replaceAll(/<span[^>]*data-mx-spoiler[^>]*>.*?<\/span>/gsu, "…")
    .replaceAll(/<br\s*\/?>|<\/(?:p|li|h\d|blockquote|div|tr|td|th|pre)>/gu, " ")
    .replaceAll(/<[^>]*>/gu, "")
    .replaceAll(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/giu, (whole, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return marks[name] ?? whole;
      const point = decimal === undefined ? parseInt(hex ?? "", 16) : Number(decimal);
      return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : "";
    })
    .replaceAll(/\s+/gu, " ")
    .trim();
}
