import { MatrixError, type MatrixClient } from "matrix-js-sdk";
import { CryptoEvent, decodeRecoveryKey, type CryptoApi, type CryptoCallbacks, type GeneratedSecretStorageKey } from "matrix-js-sdk/lib/crypto-api";

import { Refusal } from "../store/Homeserver.ts";
import type { Identity, KeyAnswer, Recovery, Safety, Verification } from "../store/Safety.ts";
import { Store, type Readable } from "../store/Store.ts";
import type { RoomId, Trust, UserId } from "../store/model.ts";
import { refusing } from "./refusal.ts";
import { Comparing } from "./verification.ts";

/** The stores that this fills. */
export interface TrustStores {
  readonly trust: Store<Trust>;
  readonly recovery: Store<Recovery>;
  readonly verification: Store<Verification | undefined>;
}

/** What this device and account can prove: signing keys, the recovery key, the backup of message keys, and who is who. */
export class TrustKeeper implements Safety {
  readonly recovery: Readable<Recovery>;
  readonly verification: Readable<Verification | undefined>;
  /** Given to the SDK when its client is made: it asks here for the recovery key. */
  readonly callbacks: CryptoCallbacks;
  readonly #stores: TrustStores;
  readonly #openDirect: (person: UserId) => Promise<RoomId>;
  readonly #identities = new Map<UserId, Store<Identity>>();
  /** The recovery key in use, only as long as something is done with it. */
  #key: Uint8Array<ArrayBuffer> | undefined;
  #made: GeneratedSecretStorageKey | undefined;
  /** The server has been asked, and a first device has its keys: what is missing now is missing. */
  #asked = false;
  #client: MatrixClient | undefined;
  #comparing: Comparing | undefined;

  constructor(stores: TrustStores, openDirect: (person: UserId) => Promise<RoomId>) {
    this.#stores = stores;
    this.#openDirect = openDirect;
    this.recovery = stores.recovery;
    this.verification = stores.verification;
    this.callbacks = {
      getSecretStorageKey: ({ keys }) => {
        const [id] = Object.keys(keys);
        return Promise.resolve(this.#key === undefined || id === undefined ? null : [id, this.#key]);
      },
    };
  }

  /** Begins once the SDK's crypto is there, before it syncs. */
  attach(client: MatrixClient): void {
    this.#client = client;
    this.#comparing = new Comparing(client, this.#stores.verification);
    client.on(CryptoEvent.UserTrustStatusChanged, (user) => {
      void this.#look(user);
      if (user === client.getUserId()) void this.refresh();
    });
    client.on(CryptoEvent.KeysChanged, () => void this.refresh());
    client.on(CryptoEvent.KeyBackupStatus, () => void this.refresh());
    client.on(CryptoEvent.DevicesUpdated, (users) => {
      for (const user of users) void this.#look(user);
      if (users.includes(client.getSafeUserId())) void this.refresh();
    });
    // Another device has handed over the key to the backup: what could not be read heals.
    client.on(CryptoEvent.KeyBackupDecryptionKeyCached, () => void this.#restore());
  }

  /**
   * Sees to it that somebody's first device makes their keys, without asking anything: the password they have just
   * typed answers the server's question. A later device never makes new ones, since that would cut off the first.
   */
  async establish(password: string | undefined): Promise<void> {
    const { trust } = this.#stores;
    if (password !== undefined) trust.set("settingUp");
    try {
      const crypto = this.#crypto();
      if (password !== undefined && !(await crypto.userHasCrossSigningKeys(this.#me(), true))) {
        await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: proving(this.#me(), password) });
        // The backup's key is known to this device and to those it confirms; a recovery key is added when there is one.
        if ((await crypto.getKeyBackupInfo()) === null) await crypto.resetKeyBackup();
      }
      await crypto.checkKeyBackupAndEnable();
      this.#asked = true;
    } catch {
      // The server is away: tried again at the next start, and what is known is shown.
    }
    await this.refresh();
  }

  /** Looks again at what this device can prove. */
  async refresh(): Promise<void> {
    try {
      const crypto = this.#crypto();
      if (await crypto.isCrossSigningReady()) this.#stores.trust.set("ready");
      else if (this.#asked) this.#stores.trust.set("unconfirmed");
      if (this.#asked) this.#stores.recovery.set((await crypto.isSecretStorageReady()) ? "ready" : "missing");
    } catch {
      // Without the server nothing new is known.
    }
  }

  async newRecoveryKey(): Promise<readonly string[]> {
    this.#made = await this.#crypto().createRecoveryKeyFromPassphrase();
    return this.#made.encodedPrivateKey?.split(" ") ?? [];
  }

  keepRecoveryKey(): Promise<void> {
    return refusing(async () => {
      const made = this.#made;
      if (made === undefined) throw new Refusal("gone", "no recovery key was made");
      const crypto = this.#crypto();
      await this.#withKey(made.privateKey, async () => {
        await crypto.bootstrapSecretStorage({
          createSecretStorageKey: () => Promise.resolve(made),
          setupNewSecretStorage: true,
          setupNewKeyBackup: (await crypto.getSessionBackupPrivateKey()) === null,
        });
      });
      this.#made = undefined;
      await this.refresh();
    });
  }

  async useRecoveryKey(typed: string): Promise<KeyAnswer> {
    let key: Uint8Array<ArrayBuffer>;
    try {
      key = decodeRecoveryKey(typed.replaceAll(/[^0-9A-Za-z]/g, ""));
    } catch {
      return "notAKey";
    }
    try {
      const client = this.#present();
      const stored = await client.secretStorage.getKey();
      if (stored === null || !(await client.secretStorage.checkKey(key, stored[1]))) return "wrong";
      await this.#withKey(key, async () => {
        const crypto = this.#crypto();
        await crypto.bootstrapCrossSigning({});
        await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
        await crypto.checkKeyBackupAndEnable();
      });
    } catch {
      return "failed";
    }
    void this.#restore(); // with many conversations this takes a while
    await this.refresh();
    return "done";
  }

  async startAfresh(password: string): Promise<KeyAnswer> {
    try {
      await this.#crypto().resetEncryption(proving(this.#me(), password));
    } catch (fault) {
      return fault instanceof MatrixError && (fault.httpStatus === 401 || fault.httpStatus === 403) ? "wrong" : "failed";
    }
    await this.refresh();
    return "done";
  }

  async hasOtherDevices(): Promise<boolean> {
    const crypto = this.#crypto();
    const me = this.#me();
    const own = this.#present().getDeviceId();
    const devices = (await crypto.getUserDeviceInfo([me], true)).get(me) ?? new Map<string, unknown>();
    for (const device of devices.keys()) {
      if (device === own) continue;
      if ((await crypto.getDeviceVerificationStatus(me, device))?.signedByOwner === true) return true;
    }
    return false;
  }

  verifyDevice(device?: string): Promise<void> {
    return refusing(async () => {
      const crypto = this.#crypto();
      const request = device === undefined ? await crypto.requestOwnUserVerification() : await crypto.requestDeviceVerification(this.#me(), device);
      this.#comparing?.follow(request);
    });
  }

  verifyPerson(person: UserId): Promise<void> {
    return refusing(async () => {
      const crypto = this.#crypto();
      await crypto.getUserDeviceInfo([person], true);
      this.#comparing?.follow(await crypto.requestVerificationDM(person, await this.#openDirect(person)));
    });
  }

  acceptVerification(): Promise<void> {
    return refusing(async () => {
      await this.#comparing?.accept();
    });
  }

  compared(same: boolean): Promise<void> {
    return refusing(async () => {
      await this.#comparing?.compared(same);
    });
  }

  endVerification(): Promise<void> {
    return refusing(async () => {
      await this.#comparing?.end();
    });
  }

  identity(person: UserId): Readable<Identity> {
    const known = this.#identities.get(person);
    if (known !== undefined) return known;
    const store = new Store<Identity>("unknown");
    this.#identities.set(person, store);
    void this.#look(person);
    return store;
  }

  acceptIdentity(person: UserId): Promise<void> {
    return refusing(async () => {
      const crypto = this.#crypto();
      const status = await crypto.getUserVerificationStatus(person);
      if (status.wasCrossSigningVerified() && !status.isCrossSigningVerified()) await crypto.withdrawVerificationRequirement(person);
      if (status.needsUserApproval) await crypto.pinCurrentUserIdentity(person);
      await this.#look(person);
    });
  }

  async #look(person: UserId): Promise<void> {
    const store = this.#identities.get(person);
    if (store === undefined) return;
    try {
      const status = await this.#crypto().getUserVerificationStatus(person);
      const changed = status.needsUserApproval || (status.wasCrossSigningVerified() && !status.isCrossSigningVerified());
      store.set(changed ? "changed" : status.isCrossSigningVerified() ? "verified" : status.known ? "unverified" : "unknown");
    } catch {
      // Asked again when the server tells of a change.
    }
  }

  /** Fetches every message key from the backup, so that old conversations open. */
  async #restore(): Promise<void> {
    try {
      await this.#crypto().restoreKeyBackup();
    } catch {
      // Each message that is looked at asks the backup for its own key, again and again.
    }
  }

  async #withKey(key: Uint8Array<ArrayBuffer>, act: () => Promise<void>): Promise<void> {
    this.#key = key;
    try {
      await act();
    } finally {
      this.#key = undefined;
    }
  }

  #crypto(): CryptoApi {
    const crypto = this.#client?.getCrypto();
    if (crypto === undefined) throw new Refusal("unreachable", "encryption is not there yet");
    return crypto;
  }

  #present(): MatrixClient {
    if (this.#client === undefined) throw new Refusal("unreachable", "nobody is signed in");
    return this.#client;
  }

  #me(): UserId {
    return this.#present().getSafeUserId();
  }
}

type Ask = (auth: { type: string; identifier: { type: string; user: string }; password: string; session: string } | null) => Promise<void>;

/** Answers the server's demand for more proof with the password. */
function proving(user: UserId, password: string): (ask: Ask) => Promise<void> {
  return async (ask) => {
    try {
      await ask(null);
    } catch (fault) {
      const session = sessionOf(fault);
      if (session === undefined) throw fault;
      await ask({ type: "m.login.password", identifier: { type: "m.id.user", user }, password, session });
    }
  };
}

/** The session of a server's demand for more proof; undefined when the fault is something else. */
function sessionOf(fault: unknown): string | undefined {
  if (!(fault instanceof MatrixError) || fault.httpStatus !== 401) return undefined;
  const { session } = fault.data;
  return typeof session === "string" ? session : undefined;
}
