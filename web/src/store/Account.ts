import type { SignInFault } from "./model.ts";

/** Coming and going: what the sign-in page and the "Me" page may ask for. */
export interface Account {
  /** Undefined when it worked; the session store then goes on to `opening`. */
  signIn(user: string, password: string): Promise<SignInFault | undefined>;
  signOut(): Promise<void>;
  /** Takes the session over from another tab of this browser. */
  useHere(): void;
  /** Throws away what this browser keeps, after it could not be opened. */
  startOver(): Promise<void>;
}
