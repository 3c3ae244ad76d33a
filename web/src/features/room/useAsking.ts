import { useState } from "react";

/** A step that is asked of the server from a dialog: whether it is under way, and whether it did not work. */
export function useAsking(after: () => void): { readonly state: "no" | "busy" | "failed"; readonly ask: (act: () => Promise<unknown>) => void } {
  const [state, setState] = useState<"no" | "busy" | "failed">("no");
  const ask = (act: () => Promise<unknown>): void => {
    setState("busy");
    act().then(after, () => {
      setState("failed");
    });
  };
  return { state, ask };
}
