import { useSyncExternalStore } from "react";

interface Readable<S> {
  readonly snapshot: S;
  readonly subscribe: (listener: () => void) => () => void;
}

/** The present snapshot of something that changes; draws again when it does. */
export function useSnapshot<S>(source: Readable<S>): S {
  return useSyncExternalStore(source.subscribe, () => source.snapshot);
}
