import { parse, TYPE, type MessageFormatElement } from "@formatjs/icu-messageformat-parser";

const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const strange = [..."ȧƀƈḓḗƒɠħīĵķŀḿƞǿƥɋřşŧŭṽẇẋẏẑȦƁƇḒḖƑƓĦĪĴĶĿḾȠǾƤɊŘŞŦŬṼẆẊẎẐ"];

/** English with every letter accented and every sentence a third longer, between brackets: what is cut off or not translated shows. */
export function pseudo(english: Readonly<Record<string, string>>): Record<string, MessageFormatElement[]> {
  return Object.fromEntries(
    Object.entries(english).map(([key, text]) => {
      const parts = estrange(parse(text));
      const longer = "~".repeat(Math.ceil(text.length / 3));
      return [key, [literal("["), ...parts, literal(`${longer}]`)]];
    }),
  );
}

function literal(value: string): MessageFormatElement {
  return { type: TYPE.literal, value };
}

function estrange(parts: readonly MessageFormatElement[]): MessageFormatElement[] {
  return parts.map((part) => {
    if (part.type === TYPE.literal) return literal(part.value.replace(/[a-z]/gi, (letter) => strange[plain.indexOf(letter)] ?? letter));
    if (part.type === TYPE.plural || part.type === TYPE.select) {
      const options = Object.entries(part.options).map(([name, option]) => [name, { ...option, value: estrange(option.value) }] as const);
      return { ...part, options: Object.fromEntries(options) } as MessageFormatElement;
    }
    return part;
  });
}
