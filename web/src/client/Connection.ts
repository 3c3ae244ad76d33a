import { ClientEvent, HttpApiEvent, MatrixClient, PendingEventOrdering, RoomEvent, SyncState, type MatrixError, type MatrixEvent, type SyncStateData } from "matrix-js-sdk";

import { Refusal, type Homeserver } from "../store/Homeserver.ts";
import type { UploadHooks } from "../store/Outbox.ts";
import type { Readable, Store } from "../store/Store.ts";
import type { MediaSource, MediaState, OutgoingMedia, Uploaded, Wish } from "../store/media.ts";
import type { Connection as ConnectionState, OutboxEntry, Person, RoomId, RoomSummary, Space, Timeline } from "../store/model.ts";
import { ClientRooms } from "./ClientRooms.ts";
import { ClientSettings } from "./ClientSettings.ts";
import { DeliveryTeller } from "./delivered.ts";
import { Delivery, soonSent } from "./delivery.ts";
import { Media } from "./media.ts";
import { RoomMessages } from "./messages.ts";
import { prepare } from "./prepare.ts";
import { followPeople, forgetPresence, ownPresence, type PeopleStores } from "./presence.ts";
import { refusing } from "./refusal.ts";
import { RoomFeed } from "./rooms.ts";
import { ClientSearch } from "./search.ts";
import { roomName } from "./summary.ts";
import { SealedStore } from "./syncstore.ts";
import { TrustKeeper, type TrustStores } from "./trust.ts";
import type { Vault } from "./vault.ts";
import { method } from "./verification.ts";
import { localPart, type Credentials } from "./wire.ts";

/** The stores that a connection fills. */
export interface Filled extends PeopleStores, TrustStores {
  readonly connection: Store<ConnectionState>;
  readonly rooms: Store<readonly RoomSummary[]>;
  readonly spaces: Store<readonly Space[]>;
}

export interface ConnectionEvents {
  /** The first sync is here: there is something to show. */
  onReady(me: Person): void;
  /** The person's own name, when the server knows one. */
  onName(name: string): void;
  /** The server no longer takes the token. `soft`: the device may come back with the password. */
  onSignedOut(soft: boolean): void;
  /** Talking to the server works again. */
  onBack(): void;
  /** Something of one's own is in a timeline now. */
  onOwn(): void;
  /** A room's timeline was cut. */
  onGap(room: RoomId): void;
}

/** Fetches the encryption, so that it is there by the time a connection opens. */
export async function fetchEncryption(): Promise<void> {
  await (await import("@matrix-org/matrix-sdk-crypto-wasm")).initAsync();
}

const typingFor = 20_000;
const typingEvery = 8_000;

/** One signed-in connection to the server, over Matrix's SDK. */
export class Connection implements Homeserver {
  readonly rooms: ClientRooms;
  readonly settings: ClientSettings;
  readonly trust: TrustKeeper;
  readonly messages: RoomMessages;
  readonly search: ClientSearch;
  readonly #store: SealedStore;
  readonly #client: MatrixClient;
  readonly #filled: Filled;
  readonly #events: ConnectionEvents;
  readonly #delivery: Delivery;
  readonly #media: Media;
  readonly #deliveries: DeliveryTeller;
  readonly #typingSince = new Map<RoomId, number>();
  #ready = false;
  #established = false;

  constructor(credentials: Credentials, vault: Vault, filled: Filled, events: ConnectionEvents) {
    this.#filled = filled;
    this.#events = events;
    this.#store = new SealedStore(vault);
    this.trust = new TrustKeeper(filled, (person) => this.rooms.openDirect(person));
    this.#client = new MatrixClient({
      baseUrl: location.origin,
      userId: credentials.user,
      deviceId: credentials.device,
      accessToken: credentials.token,
      store: this.#store,
      cryptoCallbacks: this.trust.callbacks,
      verificationMethods: [method],
      timelineSupport: true,
      disableVoip: true,
      roomNameGenerator: roomName,
      localTimeoutMs: 60_000,
      fetchFn: soonSent,
    });
    this.#delivery = new Delivery(this.#client);
    this.#media = new Media(this.#client);
    this.#deliveries = new DeliveryTeller(this.#client, this.#store.delivered);
    const upload = (picture: Blob): Promise<string> => this.#media.uploadPlain(picture);
    this.rooms = new ClientRooms(this.#client, upload, filled.presence);
    this.settings = new ClientSettings(this.#client, upload, (name) => {
      events.onName(name);
    });
    this.messages = new RoomMessages(this.#client, this.#store.delivered, {
      onGap: (room) => {
        this.#events.onGap(room);
      },
      onRead: (room) => this.rooms.unmarkUnread(room),
    });
    this.search = new ClientSearch(this.#client, vault);
  }

  /** Opens the crypto store and starts syncing. `password` is there right after somebody typed it. */
  async open(storageKey: Uint8Array, password: string | undefined): Promise<void> {
    const client = this.#client;
    await this.#store.startup();
    await client.initRustCrypto({ useIndexedDB: true, cryptoDatabasePrefix: this.#cryptoName(), storageKey });
    this.trust.attach(client);
    new RoomFeed(client, this.#filled.rooms, this.#filled.spaces);
    followPeople(client, this.#filled);
    client.on(ClientEvent.Sync, (state, _before, data) => {
      this.#syncChanged(state, data, password);
    });
    client.on(HttpApiEvent.SessionLoggedOut, (fault: MatrixError) => {
      this.#events.onSignedOut(fault.data["soft_logout"] === true);
    });
    const own = (event: MatrixEvent): void => {
      if (event.getSender() === client.getUserId() && event.status === null) this.#events.onOwn();
    };
    client.on(RoomEvent.Timeline, own);
    client.on(RoomEvent.LocalEchoUpdated, own);
    globalThis.addEventListener("online", this.#networkChanged);
    globalThis.addEventListener("offline", this.#networkChanged);
    await client.startClient({ initialSyncLimit: 30, lazyLoadMembers: true, threadSupport: true, pendingEventOrdering: PendingEventOrdering.Detached });
    await client.setSyncPresence(ownPresence());
  }

  /** Ends the connection; with `forget` also on the server and in this browser's crypto store. */
  async close(forget: boolean): Promise<void> {
    globalThis.removeEventListener("online", this.#networkChanged);
    globalThis.removeEventListener("offline", this.#networkChanged);
    this.#media.forget();
    this.messages.stop();
    this.search.close();
    this.#deliveries.stop();
    this.#client.stopClient();
    await this.flush();
    if (!forget) return;
    forgetPresence();
    try {
      await this.#client.logout();
    } catch {
      // The server is away or has ended the session itself; the person still wants to be signed out here.
    }
    this.#client.removeAllListeners();
    await this.#client.clearStores({ cryptoDatabasePrefix: this.#cryptoName() });
  }

  /** Writes what is not written yet: the page may go. */
  flush(): Promise<void> {
    return this.#store.flush();
  }

  // What the outbox asks for.

  readonly arrived = (entry: OutboxEntry): boolean => this.#delivery.arrived(entry);

  readonly deliver = (entry: OutboxEntry): Promise<string> => this.#delivery.deliver(entry);

  readonly keepBack = (entry: OutboxEntry): void => {
    this.#delivery.keepBack(entry);
  };

  readonly upload = (entry: OutboxEntry, { onProgress, signal }: UploadHooks): Promise<Uploaded> =>
    refusing(async () => {
      const room = this.#client.getRoom(entry.room);
      if (room === null) throw new Refusal("gone", "the room is not known");
      if (entry.content.kind !== "media") throw new Refusal("other", "nothing to upload");
      return this.#media.upload(entry.content, room.hasEncryptionStateEvent(), onProgress, signal);
    });

  // What the screens ask for.

  timeline(room: RoomId): Readable<Timeline> | undefined {
    return this.messages.timeline(room);
  }

  media(source: MediaSource): Readable<MediaState> {
    return this.#media.get(source);
  }

  retryMedia(source: MediaSource): void {
    this.#media.retry(source);
  }

  prepare(file: File, wish: Wish): Promise<OutgoingMedia> {
    return prepare(file, wish);
  }

  uploadLimit(): Promise<number | undefined> {
    return this.#media.limit();
  }

  typing(room: RoomId, now: boolean): void {
    const since = this.#typingSince.get(room);
    if (now ? since !== undefined && Date.now() - since < typingEvery : since === undefined) return;
    if (now) this.#typingSince.set(room, Date.now());
    else this.#typingSince.delete(room);
    this.#client.sendTyping(room, now, typingFor).catch(() => {
      this.#typingSince.delete(room); // a hint that was lost; the next key tells again
    });
  }

  retry(): void {
    this.#client.retryImmediately();
    this.#events.onBack();
  }

  #syncChanged(state: SyncState, data: SyncStateData | undefined, password: string | undefined): void {
    const { connection } = this.#filled;
    switch (state) {
      case SyncState.Prepared:
      case SyncState.Syncing: {
        this.#becomeReady();
        if (data?.fromCache === true) return; // what was kept here; the server has said nothing yet
        const wasAway = connection.snapshot !== "online";
        connection.set("online");
        this.#establish(password);
        if (wasAway) {
          this.#media.retryFailed();
          this.#events.onBack();
        }
        return;
      }
      case SyncState.Reconnecting:
      case SyncState.Error: {
        const fault = data?.error;
        if (fault instanceof Error && fault.name === "AbortError") return;
        connection.set(navigator.onLine ? "unreachable" : "offline");
        return;
      }
      case SyncState.Catchup:
      case SyncState.Stopped:
        return;
    }
  }

  #becomeReady(): void {
    if (this.#ready) return;
    this.#ready = true;
    const id = this.#client.getSafeUserId();
    this.#events.onReady({ id, name: this.#client.getUser(id)?.displayName ?? localPart(id) });
    void this.trust.refresh();
  }

  /** What is done once, as soon as the server answers. */
  #establish(password: string | undefined): void {
    if (this.#established) return;
    this.#established = true;
    this.#client.getProfileInfo(this.#client.getSafeUserId(), "displayname").then(
      ({ displayname }) => {
        if (typeof displayname === "string" && displayname !== "") this.#events.onName(displayname);
      },
      () => {
        // The id does until the next start.
      },
    );
    afterPaint(() => void this.trust.establish(password));
  }

  readonly #networkChanged = (): void => {
    if (navigator.onLine) this.retry();
    else this.#filled.connection.set("offline");
  };

  #cryptoName(): string {
    return `myelin-crypto-${this.#client.getDeviceId() ?? ""}`;
  }
}

/** Making keys keeps the processor busy: the list is to be seen first. A page that nobody sees is never painted. */
function afterPaint(then: () => void): void {
  if (document.visibilityState === "hidden") then();
  else requestAnimationFrame(() => setTimeout(then));
}
