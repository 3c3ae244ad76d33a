import type { App } from "../../store/App.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { MediaSource, Person } from "../../store/model.ts";

export interface ProfileSnapshot {
  readonly me: Person | undefined;
  readonly name: string;
  readonly canSave: boolean;
  readonly picture: MediaSource | undefined;
  /** A chosen file, while it is being cut. */
  readonly cutting: File | undefined;
  readonly busy: boolean;
}

interface Work {
  /** Undefined as long as nobody has typed: then the name is the one that others see. */
  readonly typed: string | undefined;
  readonly picture: MediaSource | undefined;
  readonly cutting: File | undefined;
  readonly busy: boolean;
}

/** How others see somebody: their name and picture. */
export class ProfileViewModel implements Readable<ProfileSnapshot> {
  readonly #app: App;
  readonly #work = new Store<Work>({ typed: undefined, picture: undefined, cutting: undefined, busy: false });
  readonly #derived: Readable<ProfileSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App) {
    this.#app = app;
    this.#derived = new Derived([app.session, this.#work], (session, { typed, picture, cutting, busy }) => {
      const me = session.phase === "open" || session.phase === "opening" ? session.me : undefined;
      const name = typed ?? me?.name ?? "";
      return { me, name, canSave: !busy && name.trim() !== "" && name.trim() !== me?.name, picture, cutting, busy };
    });
    this.subscribe = this.#derived.subscribe;
    void this.#load();
  }

  get snapshot(): ProfileSnapshot {
    return this.#derived.snapshot;
  }

  readonly type = (typed: string): void => {
    this.#change({ typed });
  };

  readonly save = async (): Promise<void> => {
    if (!this.snapshot.canSave) return;
    await this.#do(async () => {
      await this.#app.homeserver.settings.setName(this.snapshot.name.trim());
      this.#change({ typed: undefined });
    });
  };

  readonly pick = (file: File | undefined): void => {
    this.#change({ cutting: file });
  };

  /** Undefined takes the picture away. */
  readonly show = async (picture: Blob | undefined): Promise<void> => {
    this.#change({ cutting: undefined });
    await this.#do(async () => {
      this.#change({ picture: await this.#app.homeserver.settings.setPicture(picture) });
    });
  };

  async #load(): Promise<void> {
    try {
      this.#change({ picture: await this.#app.homeserver.settings.picture() });
    } catch {
      // Without a network the initials stand for the picture, as everywhere.
    }
  }

  async #do(act: () => Promise<void>): Promise<void> {
    this.#change({ busy: true });
    try {
      await act();
      this.#app.notices.tell("saved");
    } catch {
      this.#app.notices.tell("failed");
    } finally {
      this.#change({ busy: false });
    }
  }

  #change(change: Partial<Work>): void {
    this.#work.update((work) => ({ ...work, ...change }));
  }
}
