import { useSyncExternalStore } from "react";

interface Readable<S> {
  readonly snapshot: S;
  readonly subscribe: (listener: () => void) => () => void;
}

/** The present snapshot of something that changes; draws again when it does. */
export function useSnapshot<S>(source: Readable<S>): S {
  return useSyncExternalStore(source.subscribe, () => source.snapshot);
}

/** Part of a snapshot; draws again only when that part is another. It has to be something that can be compared. */
export function useSelected<S, P extends string | number | boolean | undefined>(source: Readable<S>, select: (snapshot: S) => P): P {
  return useSyncExternalStore(source.subscribe, () => select(source.snapshot));
}
