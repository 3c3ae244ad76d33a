import { createContext, use, useState } from "react";

import type { App } from "../store/App.ts";
import type { Readable } from "../store/Store.ts";
import { useSnapshot } from "../ui/useSnapshot.ts";

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
  const app = use(AppContext);
  if (app === undefined) throw new Error("no app around this view");
  return app;
}

/** Makes a screen's view model once and keeps the screen in step with it. A screen for something else has another `key`. */
export function useViewModel<S, M extends Readable<S>>(make: (app: App) => M & Readable<S>): [M, M["snapshot"]] {
  const app = useApp();
  const [model] = useState(() => make(app));
  return [model, useSnapshot<M["snapshot"]>(model)];
}
