import type { Readable } from "./Store.ts";

/** A newer version of the app, fetched and waiting. */
export interface Updates {
  readonly ready: Readable<boolean>;
  /** Changes over to it, in every tab. What was begun is kept. */
  apply(): void;
}
