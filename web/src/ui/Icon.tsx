import type { ReactNode } from "react";

import { pointing, shapes, type IconName } from "./icons.ts";

export type { IconName } from "./icons.ts";

/** Drawings grow with the text, but no more than half again: they need not be read. */
function lengthOf(size: number): string {
  return `min(${String(size / 16)}rem, ${String(size * 1.5)}px)`;
}

/** A drawing beside or instead of a word. Always silent: whoever uses it alone gives the words. */
export function Icon({ name, size = 20 }: { readonly name: IconName; readonly size?: number }): ReactNode {
  return (
    <svg style={{ width: lengthOf(size), height: lengthOf(size) }} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.75" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" data-pointing={pointing.has(name) ? "" : undefined}>
      <path d={shapes[name]} />
    </svg>
  );
}
