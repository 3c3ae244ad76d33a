/** Keys pressed together. `mod` is Ctrl, on Apple's keyboards Command. */
export interface Shortcut {
  /** As KeyboardEvent.key says it, letters small. */
  readonly key: string;
  readonly mod?: boolean;
  readonly shift?: boolean;
  readonly alt?: boolean;
}

/** The part of KeyboardEvent that is looked at. */
export interface Press {
  readonly key: string;
  readonly code: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
  readonly altKey: boolean;
}

const codes: Readonly<Record<string, string>> = { Comma: ",", Slash: "/" };

/** Is this the shortcut, also on a keyboard that writes no Latin letters? */
export function pressed({ key, mod = false, shift = false, alt = false }: Shortcut, press: Press): boolean {
  const foreign = press.key.length === 1 && press.key > "\u007f";
  const struck = foreign ? (codes[press.code] ?? press.code.replace(/^Key/, "")) : press.key;
  const sign = key.length === 1 && !/[a-z]/.test(key); // whether a sign needs Shift depends on the keyboard
  return struck.toLowerCase() === key.toLowerCase() && (press.ctrlKey || press.metaKey) === mod && press.altKey === alt && (sign || press.shiftKey === shift);
}

/** A letter or sign without a modifier: it must not be taken from somebody who writes. */
export function isBare({ mod = false, alt = false, key }: Shortcut): boolean {
  return !mod && !alt && key.length === 1;
}
