import type { App } from "../../store/App.ts";
import type { Homeserver } from "../../store/Homeserver.ts";
import type { Readable } from "../../store/Store.ts";

/** Something of a room that is there only once the room is known: looked for again whenever the list of rooms changes. */
export class RoomStoreOf<S> implements Readable<S | undefined> {
  readonly #app: App;
  readonly #find: (homeserver: Homeserver) => Readable<S> | undefined;

  constructor(app: App, find: (homeserver: Homeserver) => Readable<S> | undefined) {
    this.#app = app;
    this.#find = find;
  }

  get snapshot(): S | undefined {
    return this.#store()?.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    let heard = this.#store();
    let end = heard?.subscribe(listener);
    const look = (): void => {
      const store = this.#store();
      if (store === heard) return;
      end?.();
      heard = store;
      end = store?.subscribe(listener);
      listener();
    };
    const ends = [this.#app.rooms.subscribe(look), this.#app.session.subscribe(look)];
    return () => {
      for (const one of ends) one();
      end?.();
    };
  };

  #store(): Readable<S> | undefined {
    return this.#app.session.snapshot.phase === "open" ? this.#find(this.#app.homeserver) : undefined;
  }
}
