import { SearchOrderBy, type IEventWithRoomId, type ISearchRequestBody, type MatrixClient, type MatrixEvent, type Room } from "matrix-js-sdk";

import type { Hit, Hits, MessageSearch, Reach, Sought } from "../store/MessageSearch.ts";
import { noReach } from "../store/MessageSearch.ts";
import { Store, type Readable } from "../store/Store.ts";
import type { RoomId } from "../store/model.ts";
import { isWanted, wantedOf } from "../store/words.ts";
import { bodyOf, personIn } from "./events.ts";
import { Indexer, textOf } from "./indexer.ts";
import { refusing, toRefusal } from "./refusal.ts";
import type { Vault } from "./vault.ts";
import { WordIndex } from "./wordindex.ts";

/** How much older history is loaded when somebody asks for it. */
const month = 30 * 24 * 60 * 60_000;
/** The server's own limit of one answer. */
const mostAtOnce = 100;
const nothing: Hits = { hits: [], more: false };

/** Finds messages: those of encrypted rooms in the index of this device, the others by asking the server. */
export class ClientSearch implements MessageSearch {
  readonly #client: MatrixClient;
  readonly #index: WordIndex;
  readonly #indexer: Indexer;
  readonly #reaches = new Map<RoomId | undefined, Store<Reach>>();
  /** What is being loaded, and where it is to end. */
  #loading: AbortController | undefined;

  constructor(client: MatrixClient, vault: Vault) {
    this.#client = client;
    this.#index = new WordIndex(vault);
    this.#indexer = new Indexer(client, this.#index, () => {
      this.#changed();
    });
  }

  /** The connection ends. */
  close(): void {
    this.stop();
    this.#indexer.stop();
  }

  here({ term, room, limit }: Sought): Promise<Hits> {
    return refusing(async () => {
      const wanted = wantedOf(term);
      if (!isWanted(wanted)) return nothing;
      const found = await this.#index.find({ wanted, room, limit, now: Date.now() });
      const hits = found.slice(0, limit).flatMap(({ room: id, id: item, at, sender, text }): Hit[] => {
        const where = this.#client.getRoom(id);
        return where === null ? [] : [{ room: id, item, at, sender: personIn(where, sender), own: sender === this.#client.getUserId(), text }];
      });
      return { hits, more: found.length > limit };
    });
  }

  there({ term, room, limit }: Sought): Promise<Hits> {
    return refusing(async () => {
      const rooms = this.#client.getRooms().filter((one) => one.getMyMembership() === "join" && !one.hasEncryptionStateEvent() && (room === undefined || one.roomId === room));
      if (rooms.length === 0 || !isWanted(wantedOf(term))) return nothing;
      const filter = { rooms: rooms.map(({ roomId }) => roomId), limit: Math.min(limit + 1, mostAtOnce), types: ["m.room.message"] };
      const body: ISearchRequestBody = { search_categories: { room_events: { search_term: term, order_by: SearchOrderBy.Recent, filter } } };
      const hits: Hit[] = [];
      let next: string | undefined;
      do {
        const { room_events: page } = (await this.#client.search(next === undefined ? { body } : { body, next_batch: next })).search_categories;
        hits.push(...(page.results ?? []).flatMap(({ result }) => this.#hit(result)));
        next = page.next_batch;
      } while (next !== undefined && hits.length <= limit);
      return { hits: hits.slice(0, limit), more: hits.length > limit };
    });
  }

  reach(room?: RoomId): Readable<Reach> {
    const known = this.#reaches.get(room);
    if (known !== undefined) return known;
    const store = new Store(noReach);
    this.#reaches.set(room, store);
    this.#changed();
    return store;
  }

  goFurther(room?: RoomId): Promise<void> {
    return refusing(async () => {
      this.stop();
      const loading = new AbortController();
      this.#loading = loading;
      const tell = (change: Partial<Reach>): void => {
        this.#reaches.get(room)?.update((now) => ({ ...now, ...change }));
      };
      tell({ state: "loading", read: 0 });
      try {
        await this.#load(room, loading.signal, (read) => {
          tell({ read });
        });
        tell({ state: "idle" });
      } catch (fault) {
        tell({ state: "failed" });
        throw fault;
      } finally {
        if (this.#loading === loading) this.#loading = undefined;
        await this.#reckon();
      }
    });
  }

  stop(): void {
    this.#loading?.abort();
  }

  /** Goes back page by page in the room that reaches back least, until all reach a month further than the least did. */
  async #load(only: RoomId | undefined, stop: AbortSignal, onRead: (read: number) => void): Promise<void> {
    let goal: number | undefined;
    let read = 0;
    while (!stop.aborted && !(await this.#index.full())) {
      const [last] = (await this.#places(only)).filter(({ more }) => more).sort((a, b) => b.since - a.since);
      goal ??= (last?.since ?? 0) - month;
      if (last === undefined || last.since <= goal) return;
      const page = await this.#page(last.room, stop);
      onRead((read += page));
    }
  }

  /** A server that is asked too often says how long to wait. */
  async #page(room: Room, stop: AbortSignal): Promise<number> {
    for (;;) {
      try {
        return await this.#indexer.goBack(room);
      } catch (fault) {
        const { reason, wait } = toRefusal(fault);
        if (reason !== "limited" || stop.aborted) throw fault;
        await new Promise((resolve) => setTimeout(resolve, wait ?? 1_000));
      }
    }
  }

  /** How far back each encrypted room is in the index. */
  async #places(only: RoomId | undefined): Promise<{ readonly room: Room; readonly since: number; readonly whole: boolean; readonly more: boolean }[]> {
    const [rooms, cut] = await Promise.all([this.#index.rooms(), this.#index.cut()]);
    return this.#indexer
      .rooms()
      .filter(({ roomId }) => only === undefined || roomId === only)
      .map((room) => {
        const stretch = rooms.get(room.roomId)?.[0] ?? this.#indexer.synced(room.roomId);
        const dropped = cut.includes(room.roomId);
        const whole = stretch !== undefined && stretch.from === undefined && !dropped;
        return { room, since: stretch?.since ?? Date.now(), whole, more: stretch !== undefined && !whole && !dropped };
      });
  }

  #changed(): void {
    this.#reckon().catch(() => undefined); // the vault is being closed
  }

  async #reckon(): Promise<void> {
    const full = await this.#index.full();
    for (const [room, store] of this.#reaches) {
      const places = await this.#places(room);
      const open = places.filter(({ whole }) => !whole);
      const since = (open.length === 0 ? places : open).reduce((latest, one) => Math.max(latest, one.since), -Infinity);
      store.update(({ state, read }) => ({
        since: places.length === 0 ? undefined : since,
        whole: open.length === 0,
        further: !full && places.some(({ more }) => more),
        state,
        read,
      }));
    }
  }

  #hit(found: IEventWithRoomId): Hit[] {
    const event: MatrixEvent = this.#client.getEventMapper()(found);
    const room = this.#client.getRoom(found.room_id);
    const body = bodyOf(event);
    if (room === null || body === undefined) return [];
    const sender = event.getSender() ?? "";
    return [{ room: found.room_id, item: event.getId() ?? "", at: event.getTs(), sender: personIn(room, sender), own: sender === this.#client.getUserId(), text: textOf(body) }];
  }
}
