import { createElement, use, type FunctionComponent, type ReactNode } from "react";

/** A screen whose code comes when it is first needed, or is asked for before. */
export interface Later<Props> {
  (props: Props): ReactNode;
  load(): Promise<void>;
}

/** Without the network the code of a screen may be out of reach for a while. */
const pause = 2_000;

/** Unlike React's `lazy`, what is there already is drawn at once, and what could not be fetched is asked for again. */
export function later<Props extends object>(get: () => Promise<FunctionComponent<Props>>): Later<Props> {
  let part: FunctionComponent<Props> | undefined;
  let coming: Promise<void> | undefined;
  const fetched = async (): Promise<void> => {
    while (part === undefined) {
      try {
        part = await get();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  };
  const load = (): Promise<void> => (coming ??= fetched());
  const Part = (props: Props): ReactNode => {
    if (part === undefined) use(load());
    return part === undefined ? null : createElement(part, props);
  };
  return Object.assign(Part, { load });
}
