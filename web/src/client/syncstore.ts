import { IndexedDBStore, type IStateEventWithRoomId, type IStoredClientOpts, type ISyncResponse } from "matrix-js-sdk";
import type { IndexedToDeviceBatch, ToDeviceBatchWithTxnId } from "matrix-js-sdk/lib/models/ToDeviceMessage";
import type { ISavedSync } from "matrix-js-sdk/lib/store";
import type { IIndexedDBBackend, UserTuple } from "matrix-js-sdk/lib/store/indexeddb-backend";
import { SyncAccumulator } from "matrix-js-sdk/lib/sync-accumulator";

import { DeliveredMarks, deliveredType } from "./delivered.ts";
import { fromJson, toJson, type Bytes, type Vault } from "./vault.ts";

/** How long the SDK's news may stay unwritten while the page lives. */
const saveEvery = 3_000;

/**
 * The SDK's store of what it has synced, kept in the vault: each room is one sealed record, and only rooms that changed
 * are written again. Rooms and the sync token are written in one transaction, never ahead of what was processed.
 */
export class SealedStore extends IndexedDBStore {
  /** What has reached whom: the SDK keeps nothing of it. */
  readonly delivered = new DeliveredMarks();
  readonly #now: () => number;
  #saved = 0;
  #settled = true;

  constructor(vault: Vault, now: () => number = Date.now) {
    super({ indexedDB });
    this._backend = new SealedBackend(vault, this.delivered);
    this.#now = now;
    const take = this.setSyncData;
    this.setSyncData = async (data) => {
      await take(data);
      this.#settled = true; // the SDK processes an answer first and hands it over then
    };
  }

  override setSyncToken(token: string): void {
    this.#settled = false;
    super.setSyncToken(token);
  }

  override wantsSave(): boolean {
    return this.#now() - this.#saved >= saveEvery;
  }

  override async save(force = false): Promise<void> {
    if (!force && !this.wantsSave()) return;
    this.#saved = this.#now();
    await super.save(true);
  }

  /** Writes what is left, when the page may go. In the middle of an answer there is nothing whole to write. */
  async flush(): Promise<void> {
    if (this.#settled) await this.save(true);
  }
}

interface Head {
  readonly nextBatch: string;
  readonly accountData: ISavedSync["accountData"];
}

type Rooms = ISyncResponse["rooms"];
type Group = "join" | "invite" | "knock";
const groups: readonly Group[] = ["join", "invite", "knock"];

interface RoomRecord {
  readonly room: string;
  readonly group: Group;
  readonly data: unknown;
  readonly delivered?: unknown;
}

const names = { head: "head", options: "options", toDevice: "toDevice", profiles: "profiles" } as const;
const roomName = (room: string): string => `room/${room}`;
const membersName = (room: string): string => `members/${room}`;

/** Where IndexedDBStore puts things: the vault instead of a database of its own. */
export class SealedBackend implements IIndexedDBBackend {
  readonly #vault: Vault;
  readonly #delivered: DeliveredMarks;
  #accumulator = new SyncAccumulator();
  /** Rooms that changed since they were last written. */
  #changed = new Set<string>();
  #writing: Promise<void> = Promise.resolve();
  #fresh = true;

  constructor(vault: Vault, delivered = new DeliveredMarks()) {
    this.#vault = vault;
    this.#delivered = delivered;
  }

  async connect(): Promise<void> {
    const records = (await this.#vault.readAll("sync")).map(fromJson);
    const head = records.find((record) => isObject(record) && "nextBatch" in record) as Head | undefined;
    if (head === undefined) return;
    this.#fresh = false;
    const rooms = { join: {}, invite: {}, knock: {}, leave: {} } as Record<Group | "leave", Record<string, unknown>>;
    for (const record of records) {
      if (!isRoom(record)) continue;
      rooms[record.group][record.room] = record.data;
      if (record.delivered !== undefined) this.#delivered.take(record.room, record.delivered);
    }
    this.#accumulator.accumulate({ next_batch: head.nextBatch, rooms: rooms as unknown as Rooms, account_data: { events: head.accountData } }, true);
  }

  isNewlyCreated(): Promise<boolean> {
    return Promise.resolve(this.#fresh);
  }

  setSyncData(data: ISyncResponse): Promise<void> {
    for (const rooms of Object.values(data.rooms ?? {})) for (const room of Object.keys(rooms ?? {})) this.#changed.add(room);
    this.#accumulator.accumulate(data);
    for (const [room, { ephemeral }] of Object.entries(data.rooms?.join ?? {})) {
      for (const event of ephemeral?.events ?? []) if (event.type === deliveredType) this.#delivered.take(room, event.content);
    }
    return Promise.resolve();
  }

  getSavedSync(): Promise<ISavedSync | null> {
    const data = this.#accumulator.getJSON();
    return Promise.resolve(data.nextBatch ? structuredClone(data) : null); // the SDK writes into what it is given
  }

  getNextBatchToken(): Promise<string> {
    return Promise.resolve(this.#accumulator.getNextBatchToken());
  }

  /** The SDK also hands over who is there, which is not kept: it would be out of date. */
  syncToDatabase(): Promise<void> {
    const write = this.#writing.then(() => this.#write());
    this.#writing = write.catch(() => undefined);
    return write;
  }

  async #write(): Promise<void> {
    const { nextBatch, accountData, roomsData } = this.#accumulator.getJSON(true);
    if (!nextBatch) return;
    const changed = this.#changed;
    this.#changed = new Set();
    const put = new Map<string, Bytes>([[names.head, toJson({ nextBatch, accountData } satisfies Head)]]);
    const remove: string[] = [];
    for (const room of changed) {
      const group = groups.find((one) => roomsData[one][room] !== undefined);
      if (group === undefined) remove.push(room);
      else put.set(roomName(room), toJson({ room, group, data: roomsData[group][room], delivered: this.#delivered.content(room) } satisfies RoomRecord));
    }
    try {
      await this.#vault.change("sync", { put, remove: remove.map(roomName) });
      for (const room of remove) await this.clearOutOfBandMembers(room);
    } catch (fault) {
      for (const room of changed) this.#changed.add(room);
      throw fault;
    }
  }

  async clearDatabase(): Promise<void> {
    this.#accumulator = new SyncAccumulator();
    await this.#vault.clear("sync");
  }

  async getOutOfBandMembers(room: string): Promise<IStateEventWithRoomId[] | null> {
    return ((await this.#vault.read(membersName(room))) as IStateEventWithRoomId[] | undefined) ?? null;
  }

  setOutOfBandMembers(room: string, members: IStateEventWithRoomId[]): Promise<void> {
    return this.#vault.write(membersName(room), members);
  }

  clearOutOfBandMembers(room: string): Promise<void> {
    return this.#vault.remove(membersName(room));
  }

  getUserPresenceEvents(): Promise<UserTuple[]> {
    return Promise.resolve([]);
  }

  async getClientOptions(): Promise<IStoredClientOpts | undefined> {
    return (await this.#vault.read(names.options)) as IStoredClientOpts | undefined;
  }

  storeClientOptions(options: IStoredClientOpts): Promise<void> {
    return this.#vault.write(names.options, options);
  }

  async saveToDeviceBatches(batches: ToDeviceBatchWithTxnId[]): Promise<void> {
    await this.#toDevice((queue) => {
      const next = (queue.at(-1)?.id ?? 0) + 1;
      return [...queue, ...batches.map((batch, i) => ({ ...batch, id: next + i }))];
    });
  }

  async getOldestToDeviceBatch(): Promise<IndexedToDeviceBatch | null> {
    return (await this.#queue())[0] ?? null;
  }

  async removeToDeviceBatch(id: number): Promise<void> {
    await this.#toDevice((queue) => queue.filter((batch) => batch.id !== id));
  }

  async getUserProfile(user: string): Promise<Profile | undefined> {
    return (await this.#profiles()).get(user);
  }

  async storeUserProfiles(profiles: Map<string, Profile>): Promise<void> {
    await this.#vault.write(names.profiles, [...(await this.#profiles()), ...profiles]);
  }

  async removeUserProfiles(users: string[]): Promise<void> {
    const profiles = await this.#profiles();
    for (const user of users) profiles.delete(user);
    await this.#vault.write(names.profiles, [...profiles]);
  }

  async destroy(): Promise<void> {
    await this.#writing; // the vault is closed by whoever opened it
  }

  async #queue(): Promise<IndexedToDeviceBatch[]> {
    return ((await this.#vault.read(names.toDevice)) as IndexedToDeviceBatch[] | undefined) ?? [];
  }

  #toDevice(change: (queue: IndexedToDeviceBatch[]) => IndexedToDeviceBatch[]): Promise<void> {
    const write = this.#writing.then(async () => {
      await this.#vault.write(names.toDevice, change(await this.#queue()));
    });
    this.#writing = write.catch(() => undefined);
    return write;
  }

  async #profiles(): Promise<Map<string, Profile>> {
    return new Map(((await this.#vault.read(names.profiles)) as [string, Profile][] | undefined) ?? []);
  }
}

type Profile = NonNullable<Awaited<ReturnType<IIndexedDBBackend["getUserProfile"]>>>;

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isRoom(value: unknown): value is RoomRecord {
  return isObject(value) && "room" in value && "group" in value && groups.includes(value.group as Group);
}
