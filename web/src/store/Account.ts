import type { SignInFault } from "./model.ts";

/** Coming and going: what the sign-in page and the "Me" page may ask for. */
export interface Account {
  /** Undefined when it worked; the session store then goes on to `opening`. */
  signIn(user: string, password: string): Promise<SignInFault | undefined>;
  signOut(): Promise<void>;
  /** Forgets the key to everything kept here until somebody gives the password again, in every tab. */
  lock(): Promise<void>;
  unlock(password: string): Promise<UnlockAnswer>;
  /** Opens again what could not be opened. */
  tryAgain(): void;
  /** Throws away what this browser keeps, after it could not be opened. */
  startOver(): Promise<void>;
}

/** `wrong`: try again after `wait` milliseconds, `left` times. `spent`: everything kept here was forgotten. */
export type UnlockAnswer =
  | { readonly kind: "open" }
  | { readonly kind: "wrong"; readonly wait: number; readonly left: number }
  | { readonly kind: "wait"; readonly wait: number }
  | { readonly kind: "spent" };
