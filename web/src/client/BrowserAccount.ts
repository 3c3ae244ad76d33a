import type { Account } from "../store/Account.ts";
import type { Homeserver } from "../store/Homeserver.ts";
import { Outbox } from "../store/Outbox.ts";
import { Store } from "../store/Store.ts";
import type { Connection as ConnectionState, Demo, OutboxEntry, Person, Presence, RoomId, RoomSummary, Session, SignInFault, Space, Trust, UserId } from "../store/model.ts";
import type { Connection } from "./Connection.ts";
import { SealedShelf } from "./shelf.ts";
import { TabLock } from "./tab.ts";
import { Vault } from "./vault.ts";
import { loadDemo, localPart, signIn, SignInRefused, type Credentials } from "./wire.ts";

const demoPause = 1_000;

/** The account of this browser: who is signed in, and the connection that goes with it. Fills the stores it holds. */
export class BrowserAccount implements Account {
  readonly session = new Store<Session>({ phase: "starting" });
  readonly connection = new Store<ConnectionState>("connecting");
  readonly rooms = new Store<readonly RoomSummary[]>([]);
  readonly spaces = new Store<readonly Space[]>([]);
  readonly presence = new Store<ReadonlyMap<UserId, Presence>>(new Map());
  readonly typing = new Store<ReadonlyMap<RoomId, readonly Person[]>>(new Map());
  readonly blocked = new Store<readonly UserId[]>([]);
  readonly trust = new Store<Trust>("unknown");
  readonly demo = new Store<Demo | undefined>(undefined);
  readonly outbox: Outbox;
  readonly #tab = new TabLock("myelin-session");
  #vault: Vault | undefined;
  #waiting: SealedShelf | undefined;
  #open: Connection | undefined;

  constructor() {
    this.outbox = new Outbox({
      shelf: {
        load: async () => (await this.#shelf()).load(),
        put: async (entry) => (await this.#shelf()).put(entry),
        remove: async (txn) => (await this.#shelf()).remove(txn),
      },
      deliver: (entry: OutboxEntry) => this.#present().deliver(entry),
      upload: (entry, hooks) => this.#present().upload(entry, hooks),
      there: (room, event) => this.#open?.holds(room, event) === true,
      now: Date.now,
      newTxn: () => `m${crypto.randomUUID()}`,
      later: (ms, then) => {
        const timer = setTimeout(then, ms);
        return () => {
          clearTimeout(timer);
        };
      },
    });
  }

  /** The server of the signed-in person; throws when nobody is. */
  get homeserver(): Homeserver {
    return this.#present();
  }

  /** Goes on where this browser left off. */
  async start(): Promise<void> {
    void import("./Connection.ts"); // fetched while somebody still types
    if (!globalThis.isSecureContext) {
      this.session.set({ phase: "signedOut", ended: false });
      return;
    }
    void this.#findDemo();
    await this.#guard(() => this.#resume(false));
  }

  async signIn(user: string, password: string): Promise<SignInFault | undefined> {
    if (!globalThis.isSecureContext) return "insecure";
    const before = this.session.snapshot;
    this.session.set({ phase: "signingIn" });
    try {
      const vault = await this.#vaultNow();
      const old = credentialsOf(await vault.read("session"));
      const sameDevice = old !== undefined && localPart(old.user) === localPart(user) ? old.device : undefined;
      const credentials = await signIn(user, password, sameDevice);
      if (old !== undefined && (old.user !== credentials.user || old.device !== credentials.device)) await this.#forget();
      const fresh = await this.#vaultNow();
      await fresh.write("session", credentials);
      if (!(await this.#tab.take(true, this.#lost))) return "other";
      void this.#guard(() => this.#connect(credentials, password));
      return undefined;
    } catch (fault) {
      this.session.set(before);
      return fault instanceof SignInRefused ? fault.fault : "other";
    }
  }

  async signOut(): Promise<void> {
    this.outbox.stop();
    this.session.set({ phase: "starting" });
    await this.#open?.close(true);
    this.#open = undefined;
    await this.#forget();
    location.assign("/"); // a new page holds nothing of the old one
  }

  useHere(): void {
    void this.#guard(() => this.#resume(true));
  }

  async startOver(): Promise<void> {
    await this.#forget();
    location.assign("/");
  }

  async #resume(steal: boolean): Promise<void> {
    const vault = await this.#vaultNow();
    const credentials = credentialsOf(await vault.read("session"));
    if (credentials === undefined) {
      this.session.set({ phase: "signedOut", ended: false });
      return;
    }
    if (await vault.read("ended")) {
      this.session.set({ phase: "signedOut", ended: true });
      return;
    }
    if (!(await this.#tab.take(steal, this.#lost))) {
      this.session.set({ phase: "elsewhere" });
      return;
    }
    await this.#connect(credentials, undefined);
  }

  async #connect(credentials: Credentials, password: string | undefined): Promise<void> {
    const vault = await this.#vaultNow();
    await vault.write("ended", false);
    const me: Person = { id: credentials.user, name: localPart(credentials.user) };
    this.session.set({ phase: "opening", me });
    const { Connection } = await import("./Connection.ts"); // the SDK is most of the app: sign-in does not wait for it
    const connection = new Connection(credentials, this, {
      onReady: (person) => {
        this.session.set({ phase: "open", me: person, device: credentials.device });
        void this.outbox.start();
      },
      onName: (name) => {
        this.session.update((now) => (now.phase === "open" ? { ...now, me: { ...now.me, name } } : now));
      },
      onSignedOut: (soft) => {
        void this.#ended(soft);
      },
      onBack: () => {
        this.outbox.flush();
      },
      onOwn: () => {
        void this.outbox.settle();
      },
      onGap: (room: RoomId) => {
        void this.outbox.settleRoom(room);
      },
    });
    this.#open = connection;
    await connection.open(await storageKey(vault), password);
  }

  /** The server ended the session. A soft end keeps the keys for when the same person comes back. */
  async #ended(soft: boolean): Promise<void> {
    this.outbox.stop();
    this.session.set({ phase: "signedOut", ended: true });
    await this.#open?.close(false);
    this.#open = undefined;
    const vault = await this.#vaultNow();
    if (soft) await vault.write("ended", true);
    else await this.#forget();
    this.rooms.set([]);
    this.spaces.set([]);
    this.presence.set(new Map());
    this.typing.set(new Map());
    this.blocked.set([]);
  }

  readonly #lost = (): void => {
    this.outbox.stop();
    this.session.set({ phase: "elsewhere" });
    void this.#open?.close(false);
    this.#open = undefined;
  };

  /** A demo hospital that is still being made has nobody in it yet. */
  async #findDemo(): Promise<void> {
    for (;;) {
      const demo = await loadDemo();
      this.demo.set(demo);
      if (demo?.people.length !== 0) return;
      await new Promise((resolve) => setTimeout(resolve, demoPause));
    }
  }

  /** Throws away everything this browser keeps about the account. */
  async #forget(): Promise<void> {
    const vault = await this.#vaultNow();
    this.#vault = undefined;
    this.#waiting = undefined;
    await vault.destroy();
    const databases = await indexedDB.databases();
    for (const { name } of databases) if (name?.startsWith("myelin-crypto-") === true) indexedDB.deleteDatabase(name);
  }

  async #guard(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (fault) {
      this.session.set({ phase: "broken", details: fault instanceof Error ? `${fault.name}: ${fault.message}` : String(fault) });
    }
  }

  #present(): Connection {
    if (this.#open === undefined) throw new Error("nobody is signed in");
    return this.#open;
  }

  async #vaultNow(): Promise<Vault> {
    return (this.#vault ??= await Vault.open());
  }

  async #shelf(): Promise<SealedShelf> {
    return (this.#waiting ??= new SealedShelf(await this.#vaultNow()));
  }
}

/** The key that seals the crypto store, made once. */
async function storageKey(vault: Vault): Promise<Uint8Array> {
  const kept = await vault.readBytes("storageKey");
  if (kept !== undefined) return kept;
  const made = crypto.getRandomValues(new Uint8Array(32));
  await vault.writeBytes("storageKey", made);
  return made;
}

function credentialsOf(value: unknown): Credentials | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { user, device, token } = value as Partial<Record<keyof Credentials, unknown>>;
  if (typeof user !== "string" || typeof device !== "string" || typeof token !== "string") return undefined;
  return { user, device, token };
}
