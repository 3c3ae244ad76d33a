import type { App } from "../../store/App.ts";
import type { Preference } from "../../store/Preferences.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { Demo, DemoPerson, SignInFault } from "../../store/model.ts";

export interface SignInSnapshot {
  readonly user: string;
  readonly password: string;
  readonly busy: boolean;
  readonly canSubmit: boolean;
  readonly fault: SignInFault | undefined;
  /** The last session was ended by the server. */
  readonly ended: boolean;
  readonly demo: Demo | undefined;
  /** The demo person whose sign-in is under way. */
  readonly chosen: string | undefined;
  readonly language: Preference["language"];
}

interface Form {
  readonly user: string;
  readonly password: string;
  readonly fault: SignInFault | undefined;
  readonly chosen: string | undefined;
}

export class SignInViewModel implements Readable<SignInSnapshot> {
  readonly #app: App;
  readonly #form = new Store<Form>({ user: "", password: "", fault: undefined, chosen: undefined });
  readonly #derived: Readable<SignInSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App) {
    this.#app = app;
    this.#derived = new Derived([this.#form, app.session, app.demo, app.preferences], (form, session, demo, { language }) => {
      const busy = session.phase === "signingIn";
      return {
        ...form,
        busy,
        canSubmit: !busy && form.user.trim() !== "" && form.password !== "",
        ended: session.phase === "signedOut" && session.ended && form.fault === undefined,
        demo,
        language,
      };
    });
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): SignInSnapshot {
    return this.#derived.snapshot;
  }

  readonly typeUser = (user: string): void => {
    this.#form.update((form) => ({ ...form, user, fault: undefined }));
  };

  readonly typePassword = (password: string): void => {
    this.#form.update((form) => ({ ...form, password, fault: undefined }));
  };

  readonly speak = (language: Preference["language"]): void => {
    this.#app.preferences.choose({ language });
  };

  readonly submit = async (): Promise<void> => {
    if (!this.snapshot.canSubmit) return;
    const { user, password } = this.snapshot;
    await this.#signIn(user.trim(), password);
  };

  readonly choose = async (person: DemoPerson): Promise<void> => {
    if (this.snapshot.busy) return;
    this.#form.update((form) => ({ ...form, chosen: person.user }));
    await this.#signIn(person.user, person.password);
  };

  async #signIn(user: string, password: string): Promise<void> {
    const fault = await this.#app.account.signIn(user, password);
    this.#form.update((form) => ({ ...form, fault, chosen: undefined }));
  }
}
