import type { Readable } from "./Store.ts";
import type { Person, UserId } from "./model.ts";

/** Can a person's messages be read again after every device of theirs is lost? */
export type Recovery = "unknown" | "missing" | "ready";

/** What this device knows of whether somebody is who they seem to be. `changed`: they have new keys since. */
export type Identity = "unknown" | "unverified" | "verified" | "changed";

/** Two screens being compared, so that nobody can stand between them. */
export interface Verification {
  /** The other side. */
  readonly person: Person;
  /** The other side is a device of one's own. */
  readonly own: boolean;
  /** `asked`: they want to; `waiting`: for them; `compare`: the seven drawings are there; `agreed`: waiting for their answer. */
  readonly step: "asked" | "waiting" | "compare" | "agreed" | "done" | "ended";
  /** The drawings, in order, while there is something to compare. */
  readonly emoji: readonly string[];
  /** Why it ended: the drawings differed, somebody stopped it, or nobody answered in time. */
  readonly ended: "different" | "stopped" | "late" | undefined;
}

export type KeyAnswer = "done" | "wrong" | "notAKey" | "failed";

/** Recovery keys, comparing devices and people: what the screens may ask for. Promises are rejected with a Refusal. */
export interface Safety {
  readonly recovery: Readable<Recovery>;
  readonly verification: Readable<Verification | undefined>;
  /** A new recovery key, in groups of four. Nothing happens with it before keepRecoveryKey. */
  newRecoveryKey(): Promise<readonly string[]>;
  /** Puts the secrets under the key that newRecoveryKey gave last. */
  keepRecoveryKey(): Promise<void>;
  /** Confirms this device with the recovery key and brings old messages back. */
  useRecoveryKey(typed: string): Promise<KeyAnswer>;
  /** Makes new keys for the account, when there is neither another device nor a recovery key. */
  startAfresh(password: string): Promise<KeyAnswer>;
  /** Are there other devices of one's own that are confirmed and could confirm this one? */
  hasOtherDevices(): Promise<boolean>;
  /** Compares with another device of one's own, whichever answers. */
  verifyDevice(device?: string): Promise<void>;
  verifyPerson(person: UserId): Promise<void>;
  acceptVerification(): Promise<void>;
  /** The drawings are the same on both screens, or not. */
  compared(same: boolean): Promise<void>;
  endVerification(): Promise<void>;
  identity(person: UserId): Readable<Identity>;
  /** The new keys of somebody are taken as theirs. */
  acceptIdentity(person: UserId): Promise<void>;
}
