import type { Identity, KeyAnswer, Recovery, Safety, Verification } from "../store/Safety.ts";
import { Store } from "../store/Store.ts";

/** A Safety whose stores and answers a test sets by hand. */
export interface TestSafety extends Safety {
  readonly recovery: Store<Recovery>;
  readonly verification: Store<Verification | undefined>;
  readonly identities: Map<string, Store<Identity>>;
  /** What the next recovery key or password is answered with. */
  answer: KeyAnswer;
  others: boolean;
}

export const testKey = ["EsTc", "5rr1", "jsMM", "kMnP", "Gj1V", "oLWX", "wHpx", "AfYq", "91cD", "uuZb", "7kQe", "N3tF"];

export function testSafety(ask: (what: string) => Promise<void>): TestSafety {
  const safety: TestSafety = {
    recovery: new Store<Recovery>("ready"),
    verification: new Store<Verification | undefined>(undefined),
    identities: new Map(),
    answer: "done",
    others: true,
    newRecoveryKey: async () => {
      await ask("new key");
      return testKey;
    },
    keepRecoveryKey: async () => {
      await ask("keep key");
      safety.recovery.set("ready");
    },
    useRecoveryKey: async (typed) => {
      await ask(`use key ${typed}`);
      return safety.answer;
    },
    startAfresh: async (password) => {
      await ask(`afresh ${password}`);
      return safety.answer;
    },
    hasOtherDevices: () => Promise.resolve(safety.others),
    verifyDevice: (device) => ask(`verify device ${device ?? "any"}`),
    verifyPerson: (person) => ask(`verify ${person}`),
    acceptVerification: () => ask("accept verification"),
    compared: (same) => ask(`compared ${String(same)}`),
    endVerification: async () => {
      await ask("end verification");
      safety.verification.set(undefined);
    },
    identity: (person) => {
      const store = safety.identities.get(person) ?? new Store<Identity>("unverified");
      safety.identities.set(person, store);
      return store;
    },
    acceptIdentity: (person) => ask(`accept identity ${person}`),
  };
  return safety;
}
