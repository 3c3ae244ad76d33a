import type { Account, UnlockAnswer } from "../store/Account.ts";
import type { Drafts } from "../store/Drafts.ts";
import { Outbox, type OutboxLeader } from "../store/Outbox.ts";
import type { Recovery, Verification } from "../store/Safety.ts";
import { Store, type Readable } from "../store/Store.ts";
import type { Connection as ConnectionState, OutboxEntry, Person, Presence, RoomId, RoomSummary, Session, SignInFault, Space, Timeline, Trust, UserId } from "../store/model.ts";
import type { Connection } from "./Connection.ts";
import { findDemo, rememberedDemo } from "./demo.ts";
import { KeptDrafts } from "./drafts.ts";
import { lastActive, lock, lockable, noteActive, setPassword, unlock } from "./door.ts";
import { Faces } from "./faces.ts";
import { Idle } from "./idle.ts";
import { Seen } from "./seen.ts";
import { SealedShelf } from "./shelf.ts";
import { Lead, LeaderGone, Tabs, type News } from "./tabs.ts";
import { destroyVault, Vault, VaultHeld, VaultLocked } from "./vault.ts";
import { localPart, signIn, SignInRefused, type Credentials } from "./wire.ts";

/** Nobody touches the app for so long: it locks. */
const idleLimit = 15 * 60_000;
/** A leading tab answers at once; one that does not has hung. */
const leaderPatience = 6_000;

/**
 * The account of this browser: who is signed in, and the connection that goes with it. One tab holds the connection and
 * fills the stores; in the others they follow it. What was last seen is shown until the connection is there.
 */
export class BrowserAccount implements Account {
  readonly session = new Store<Session>({ phase: "starting" });
  readonly connection = new Store<ConnectionState>("connecting");
  readonly rooms = new Store<readonly RoomSummary[]>([]);
  readonly spaces = new Store<readonly Space[]>([]);
  readonly presence = new Store<ReadonlyMap<UserId, Presence>>(new Map());
  readonly typing = new Store<ReadonlyMap<RoomId, readonly Person[]>>(new Map());
  readonly blocked = new Store<readonly UserId[]>([]);
  readonly trust = new Store<Trust>("unknown");
  readonly recovery = new Store<Recovery>("unknown");
  readonly verification = new Store<Verification | undefined>(undefined);
  readonly demo = new Store(rememberedDemo(localStorage));
  readonly outbox: Outbox;
  readonly faces: Faces;
  readonly #drafts: KeptDrafts;
  readonly #tabs: Tabs;
  readonly #lead = new Lead("myelin-session");
  #vault: Vault | undefined;
  #waiting: SealedShelf | undefined;
  #seen: Seen | undefined;
  #open: Connection | undefined;
  #idle: Idle | undefined;
  /** Another tab leads, and this one shows what it tells. */
  #following = false;
  /** Ends the wait for a sign of the leading tab. */
  #doubt: (() => void) | undefined;

  constructor(drafts: Drafts) {
    this.#drafts = new KeptDrafts(drafts, () => {
      this.#tabs.tell("drafts");
    });
    this.faces = new Faces({
      has: (room) => this.rooms.snapshot.some(({ id, membership }) => id === room && membership === "joined"),
      recovery: this.recovery,
      verification: this.verification,
      onTimeline: (room, store) => void this.#remember(room, store),
    });
    this.rooms.subscribe(() => {
      this.faces.lookAgain();
      if (this.#open !== undefined) this.#seen?.keepRooms(this.rooms);
    });
    this.outbox = new Outbox({
      shelf: {
        load: async () => (await this.#shelf()).load(),
        read: async (txn) => (await this.#shelf()).read(txn),
        add: async (entry, instead) => (await this.#shelf()).add(entry, instead),
        update: async (entry) => (await this.#shelf()).update(entry),
        remove: async (txn) => (await this.#shelf()).remove(txn),
      },
      deliver: (entry: OutboxEntry) => this.#present().deliver(entry),
      upload: (entry, hooks) => this.#present().upload(entry, hooks),
      keepBack: (entry) => this.#open?.keepBack(entry),
      leader: () => (this.#following ? this.#leader : undefined),
      arrived: (entry) => this.#open?.arrived(entry) === true,
      now: Date.now,
      newTxn: () => `m${crypto.randomUUID()}`,
      later,
    });
    this.#tabs = new Tabs(new BroadcastChannel("myelin"), {
      onState: (name, value) => {
        this.#told(name, value);
      },
      onNews: (news) => {
        this.#heard(news);
      },
      onSign: () => {
        this.#trustLeader();
      },
      onLeader: () => {
        if (this.#following) this.#follow();
      },
    });
  }

  /** This tab holds the connection. */
  get leads(): boolean {
    return this.#open !== undefined;
  }

  /** Goes on where this browser left off. */
  async start(): Promise<void> {
    if (!globalThis.isSecureContext) {
      this.session.set({ phase: "insecure" });
      return;
    }
    addEventListener("pagehide", () => {
      void this.flush();
      this.#tabs.leave();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") void this.flush();
      else this.#idle?.check();
    });
    await this.#guard(async () => {
      const active = await lastActive();
      if (active !== undefined && Date.now() - active >= idleLimit) await lock();
      await this.#resume();
    });
    void findDemo(this.demo, localStorage);
  }

  async signIn(user: string, password: string): Promise<SignInFault | undefined> {
    if (!globalThis.isSecureContext) return "insecure";
    const before = this.session.snapshot;
    this.session.set({ phase: "signingIn" });
    void this.#fetchConnection();
    try {
      const vault = await this.#vaultNow();
      const old = credentialsOf(await vault.read("session"));
      const sameDevice = old !== undefined && localPart(old.user) === localPart(user) ? old.device : undefined;
      const credentials = await signIn(user, password, sameDevice);
      if (old !== undefined && (old.user !== credentials.user || old.device !== credentials.device)) await this.#forget();
      const fresh = await this.#vaultNow();
      await fresh.write("session", credentials);
      await fresh.write("ended", false);
      await this.#lead.take("steal", this.#turn, this.#lost);
      void this.#guard(async () => {
        await this.#show(credentials);
        await Promise.all([this.#connect(credentials, password), setPassword(fresh, password)]);
        this.#watchIdle(fresh);
      });
      this.#tabs.tell("signedIn");
      return undefined;
    } catch (fault) {
      this.session.set(before);
      return fault instanceof SignInRefused ? fault.fault : "other";
    }
  }

  async signOut(): Promise<void> {
    if (this.#following) {
      await this.#tabs.call("account", "signOut", []);
      return;
    }
    this.outbox.stop();
    this.session.set({ phase: "starting" });
    await this.#open?.close(true);
    this.#open = undefined;
    await this.#forget();
    this.#tabs.tell("signedOut");
    location.assign("/"); // a new page holds nothing of the old one
  }

  async lock(): Promise<void> {
    await this.flush();
    if (!(await lock())) return;
    this.#tabs.tell("locked");
    location.reload(); // a new page holds nothing of the old one
  }

  async unlock(password: string): Promise<UnlockAnswer> {
    const answer = await unlock(password, Date.now());
    if (answer.kind === "open") {
      this.#tabs.tell("unlocked");
      await this.#guard(() => this.#resume());
    } else if (answer.kind === "spent") await this.startOver();
    return answer;
  }

  tryAgain(): void {
    location.reload();
  }

  async startOver(): Promise<void> {
    await this.#forget();
    this.#tabs.tell("signedOut");
    location.assign("/");
  }

  async #resume(): Promise<void> {
    let vault: Vault;
    try {
      vault = await this.#vaultNow();
    } catch (fault) {
      if (!(fault instanceof VaultLocked)) throw fault;
      this.session.set({ phase: "locked" });
      return;
    }
    const credentials = credentialsOf(await vault.read("session"));
    if (credentials === undefined || (await vault.read("ended")) === true) {
      this.session.set({ phase: "signedOut", ended: credentials !== undefined });
      void import("./Connection.ts"); // fetched while somebody still types
      return;
    }
    await this.#show(credentials);
    if (await lockable(vault)) this.#watchIdle(vault);
    if (await this.#lead.take("wait", this.#turn, this.#lost)) await this.#connect(credentials, undefined);
    else this.#follow();
  }

  /** The server takes its time over a password: meanwhile what comes next is fetched. */
  async #fetchConnection(): Promise<void> {
    try {
      await (await import("./Connection.ts")).fetchEncryption();
    } catch {
      // Tried again by the connection itself.
    }
  }

  /** Puts on the screen what was there last, before anything is loaded. */
  async #show({ user, device }: Credentials): Promise<void> {
    const vault = await this.#vaultNow();
    const seen = (this.#seen ??= new Seen(vault));
    const [rooms, me] = await Promise.all([seen.rooms(), seen.me(), this.#drafts.open(vault)]);
    if (rooms !== undefined && this.rooms.snapshot.length === 0) this.rooms.set(rooms);
    const person: Person = me?.id === user ? me : { id: user, name: localPart(user) };
    this.session.set(rooms === undefined ? { phase: "opening", me: person } : { phase: "open", me: person, device });
  }

  async #connect(credentials: Credentials, password: string | undefined): Promise<void> {
    if (this.#open !== undefined) return;
    this.#following = false;
    this.#trustLeader();
    this.#tabs.claim();
    this.outbox.takeOver();
    this.outbox.load().catch(ignore); // the start tries again, and says so
    const vault = await this.#vaultNow();
    const { Connection } = await import("./Connection.ts"); // the SDK is most of the app: the list does not wait for it
    const connection = new Connection(credentials, vault, this, {
      onReady: (person) => {
        this.session.update((now) => ({ phase: "open", me: now.phase === "open" && now.me.id === person.id ? now.me : person, device: credentials.device }));
        this.faces.switch({ here: { homeserver: connection, safety: connection.trust } });
        void this.#guard(() => this.outbox.start());
      },
      onName: (name) => {
        this.session.update((now) => (now.phase === "open" ? { ...now, me: { ...now.me, name } } : now));
        if (this.session.snapshot.phase === "open") this.#seen?.keepMe(this.session.snapshot.me);
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
    this.#tabs.lead({ ...this.faces.targets, outbox: this.outbox, account: { signOut: () => this.signOut() } }, this.#states());
    await connection.open(await storageKey(vault), password);
  }

  /** What the following tabs are told. */
  #states(): Readonly<Record<string, Readable<unknown>>> {
    const { session, connection, rooms, spaces, presence, typing, blocked, trust, recovery, verification, outbox } = this;
    return { session, connection, rooms, spaces, presence, typing, blocked, trust, recovery, verification, outbox, progress: outbox.progress };
  }

  #told(name: string, value: unknown): void {
    if (!this.#following) return;
    if (name === "outbox") this.outbox.show(value as readonly OutboxEntry[]);
    else (this.#states()[name] as Store<unknown> | undefined)?.set(value);
  }

  /** Another tab holds the connection: this one shows what it tells. One that says nothing has hung and is relieved. */
  #follow(): void {
    this.#following = true;
    this.faces.switch({ tabs: this.#tabs });
    this.#tabs.hello();
    this.#doubtLeader();
  }

  /** Unless the leading tab says anything soon, this one takes over. */
  #doubtLeader(): void {
    this.#doubt ??= later(leaderPatience, () => {
      this.#doubt = undefined;
      if (this.#following) void this.#guard(() => this.#takeOver("steal"));
    });
  }

  #trustLeader(): void {
    this.#doubt?.();
    this.#doubt = undefined;
  }

  async #takeOver(how: "turn" | "steal"): Promise<void> {
    const credentials = credentialsOf(await (await this.#vaultNow()).read("session"));
    if (credentials === undefined) {
      this.#lead.release();
      return;
    }
    if (how === "steal") await this.#lead.take("steal", this.#turn, this.#lost);
    await this.#connect(credentials, undefined);
  }

  readonly #turn = (): void => void this.#guard(() => this.#takeOver("turn"));

  /** What the outbox asks of the tab that sends; when that one goes, the next is asked the same. */
  readonly #leader = {
    adopt: (txn: string) => this.#askLeader("adopt", txn),
    retry: (txn: string) => this.#askLeader("retry", txn),
    discard: (txn: string) => this.#askLeader("discard", txn),
  };

  async #askLeader<K extends keyof OutboxLeader>(method: K, txn: string): Promise<Awaited<ReturnType<OutboxLeader[K]>>> {
    for (;;) {
      try {
        const act = (): ReturnType<OutboxLeader[K]> => Reflect.apply(this.outbox[method], this.outbox, [txn]) as ReturnType<OutboxLeader[K]>;
        if (!this.#following) return await act();
        this.#tabs.ping();
        this.#doubtLeader(); // somebody waits for it now
        return (await this.#tabs.call("outbox", method, [txn])) as Awaited<ReturnType<OutboxLeader[K]>>;
      } catch (fault) {
        if (!(fault instanceof LeaderGone)) throw fault;
      }
    }
  }

  #heard(news: News): void {
    const { phase } = this.session.snapshot;
    switch (news) {
      case "locked":
        if (phase !== "locked") location.reload();
        return;
      case "signedOut":
        location.assign("/");
        return;
      case "signedIn":
      case "unlocked":
        if (phase === "signedOut" || phase === "locked") void this.#guard(() => this.#resume());
        return;
      case "active":
        this.#idle?.heard();
        return;
      case "drafts":
        this.#drafts.refresh().catch(ignore); // only a copy
    }
  }

  readonly #lost = (): void => {
    this.outbox.stop();
    this.#tabs.unlead();
    void this.#open?.close(false);
    this.#open = undefined;
    const { phase } = this.session.snapshot;
    if (phase !== "open" && phase !== "opening") return;
    this.#follow();
    this.outbox.handOver();
  };

  /** The server ended the session. A soft end keeps the keys for when the same person comes back. */
  async #ended(soft: boolean): Promise<void> {
    this.outbox.stop();
    this.#seen?.stop();
    this.#idle?.stop();
    this.session.set({ phase: "signedOut", ended: true });
    await this.#open?.close(false);
    this.#open = undefined;
    this.faces.switch(undefined);
    const vault = await this.#vaultNow();
    if (soft) await vault.write("ended", true);
    else {
      await this.#forget();
      this.#tabs.tell("signedOut");
    }
    this.rooms.set([]);
    this.spaces.set([]);
    this.presence.set(new Map());
    this.typing.set(new Map());
    this.blocked.set([]);
    this.trust.set("unknown");
    this.recovery.set("unknown");
    this.verification.set(undefined);
  }

  /** A conversation is opened: what was seen of it last is there until it comes, and what comes is kept. */
  async #remember(room: RoomId, store: Store<Timeline>): Promise<void> {
    const seen = this.#seen;
    if (seen === undefined) return;
    const first = store.snapshot;
    if (first.items.length === 0) {
      const last = await seen.timeline(room).catch(() => undefined);
      if (last !== undefined && store.snapshot === first) store.set(last);
    }
    store.subscribe(() => {
      if (this.#open !== undefined) seen.keepTimeline(store);
    });
  }

  #watchIdle(vault: Vault): void {
    if (this.#idle !== undefined) return;
    const idle = new Idle({
      limit: idleLimit,
      now: Date.now,
      later,
      onIdle: () => void this.lock(),
      onActive: () => {
        this.#tabs.tell("active");
        noteActive(vault, Date.now()).catch(ignore); // the next one tells again
      },
    });
    this.#idle = idle;
    for (const touch of ["pointerdown", "keydown", "wheel"]) addEventListener(touch, idle.touched, { passive: true, capture: true });
    idle.touched();
  }

  /** Writes down what is not written yet: the page may go. */
  async flush(): Promise<void> {
    await Promise.allSettled([this.#drafts.flush(), this.#seen?.flush(), this.#open?.flush()]);
  }

  /** Throws away everything this browser keeps about the account. */
  async #forget(): Promise<void> {
    this.#vault?.close();
    this.#vault = this.#waiting = undefined;
    this.#seen?.stop();
    this.#seen = undefined;
    this.#drafts.forget();
    await destroyVault();
    const databases = await indexedDB.databases();
    for (const { name } of databases) if (name?.startsWith("myelin-crypto-") === true) indexedDB.deleteDatabase(name);
  }

  async #guard(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (fault) {
      this.#tabs.unlead();
      this.outbox.stop();
      this.session.set({ phase: "broken", held: fault instanceof VaultHeld, details: fault instanceof Error ? `${fault.name}: ${fault.message}` : String(fault) });
      const open = this.#open;
      this.#open = undefined;
      await open?.close(false).catch(ignore);
      this.#lead.release(); // another tab may have more luck
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

function ignore(): void {
  // Nothing to do.
}

function later(ms: number, then: () => void): () => void {
  const timer = setTimeout(then, ms);
  return () => {
    clearTimeout(timer);
  };
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
