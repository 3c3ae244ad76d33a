import type { RoomId } from "../store/model.ts";
import { finds, wordsOf, type Wanted } from "../store/words.ts";
import { fromJson, toJson, type Bytes, type Vault } from "./vault.ts";

/**
 * The messages of encrypted rooms by their words, in the vault. Messages lie in blocks, each a sealed record. Once a block
 * is full its words are listed: all words that begin with the same two letters are one sealed record, which says in
 * which blocks each occurs. The vault names a record by a keyed hash, so neither a word nor a text nor who wrote to whom is
 * to be read on the disk. Blocks that are not full yet are looked at with every search.
 *
 * One tab writes. What one call changes is written in one transaction.
 */

/** A message as it is found. */
export interface Entry {
  readonly id: string;
  readonly at: number;
  readonly sender: string;
  readonly text: string;
  readonly thread?: string;
  /** When it vanishes, in milliseconds since 1970. */
  readonly expires?: number;
  /** The event that last changed it, and when. */
  readonly edited?: { readonly by: string; readonly at: number };
}

/** A new text for a message. */
export interface Edit {
  readonly id: string;
  readonly sender: string;
  readonly text: string;
  readonly edited: { readonly by: string; readonly at: number };
}

/** A stretch of a room's history that is in the index without a gap. */
export interface Stretch {
  readonly since: number;
  readonly until: number;
  /** Where the server goes on with what is older; undefined at the beginning of the room. */
  readonly from: string | undefined;
}

export interface RoomChange {
  readonly add?: readonly Entry[];
  readonly edit?: readonly Edit[];
  /** Messages, and changes of messages: with such a one goes what it made of the message. */
  readonly remove?: readonly string[];
  /** The room's stretches, newest first. */
  readonly stretches?: (now: readonly Stretch[]) => readonly Stretch[];
}

export interface Query {
  readonly wanted: Wanted;
  readonly room?: RoomId | undefined;
  readonly limit: number;
  readonly now: number;
}

export interface Match extends Entry {
  readonly room: RoomId;
}

/** What is known of a block without opening it. */
interface Line {
  readonly block: number;
  /** The times of its oldest and of its newest message. */
  readonly from: number;
  readonly to: number;
  /** Letters of all of its texts. */
  readonly size: number;
  /** Its words are listed, and nothing is added any more. */
  readonly full: boolean;
  /** When the first of its messages vanishes. */
  readonly expires?: number;
}

interface RoomRecord {
  readonly lines: readonly Line[];
  readonly stretches: readonly Stretch[];
  /** Older messages were dropped to make room. */
  readonly cut?: boolean;
}

interface Head {
  readonly next: number;
  readonly rooms: readonly RoomId[];
}

/** The blocks of each word, by their numbers. */
type WordList = ReadonlyMap<string, readonly number[]>;

export interface Bounds {
  /** Messages in a block, and letters. */
  readonly block: number;
  readonly blockSize: number;
  /** Letters in all: some ten times as many bytes at most. */
  readonly size: number;
}

const usual: Bounds = { block: 64, blockSize: 16_000, size: 6_000_000 };
const longestText = 8_000;
const keptOpen = 48;
const nothing: RoomRecord = { lines: [], stretches: [] };

const headName = "head";
const roomName = (room: RoomId): string => `room/${room}`;
const blockName = (block: number): string => `block/${String(block)}`;
const listOf = (word: string): string => `words/${[...word].slice(0, 2).join("")}`;

export class WordIndex {
  readonly #vault: Vault;
  readonly #bounds: Bounds;
  #rooms: Map<RoomId, RoomRecord> | undefined;
  #next = 0;
  /** Blocks that were opened last. */
  readonly #open = new Map<number, readonly Entry[]>();
  #writing: Promise<void> = Promise.resolve();

  constructor(vault: Vault, bounds = usual) {
    this.#vault = vault;
    this.#bounds = bounds;
  }

  /** The rooms that something is kept of, each with its stretches, newest first. */
  async rooms(): Promise<ReadonlyMap<RoomId, readonly Stretch[]>> {
    return new Map([...(await this.#load())].map(([room, { stretches }]) => [room, stretches]));
  }

  /** The rooms whose older messages were dropped to make room. */
  async cut(): Promise<readonly RoomId[]> {
    return [...(await this.#load())].filter(([, { cut }]) => cut === true).map(([room]) => room);
  }

  /** Is there no room for older messages? */
  async full(): Promise<boolean> {
    return sizeOf(await this.#load()) >= this.#bounds.size;
  }

  /** Those of the messages that are not in the index. */
  async unknown<T extends { readonly id: string; readonly at: number }>(room: RoomId, all: readonly T[]): Promise<T[]> {
    const { lines } = (await this.#load()).get(room) ?? nothing;
    const here = lines.filter(({ from, to }) => all.some(({ at }) => at >= from && at <= to));
    const known = new Set<string>();
    for (const { block } of here) for (const { id } of await this.#entries(block)) known.add(id);
    return all.filter(({ id }) => !known.has(id));
  }

  change(room: RoomId, { add = [], edit = [], remove = [], stretches = (now) => now }: RoomChange): Promise<void> {
    return this.#turn(async (draft) => {
      await this.#remove(draft, room, new Set(remove));
      const fresh = await this.unknown(room, add.filter(({ id }) => !remove.includes(id)));
      if (fresh.length > 0) await this.#add(draft, room, fresh.map((entry) => ({ ...entry, text: entry.text.slice(0, longestText) })));
      await this.#edit(draft, room, edit);
      const record = draft.rooms.get(room) ?? nothing;
      const next = stretches(record.stretches);
      if (next !== record.stretches) draft.room(room, { ...record, stretches: next });
      await this.#bound(draft);
    });
  }

  /** Takes everything of a room out. */
  removeRoom(room: RoomId): Promise<void> {
    return this.#turn(async (draft) => {
      for (const line of draft.rooms.get(room)?.lines ?? []) await this.#put(draft, room, line, []);
      draft.room(room, undefined);
    });
  }

  /** Takes out what has vanished; the answer is when to come again. */
  async expire(now: number): Promise<number | undefined> {
    const due = (line: Line): boolean => line.expires !== undefined && line.expires <= now;
    if ([...(await this.#load()).values()].some(({ lines }) => lines.some(due))) {
      await this.#turn(async (draft) => {
        for (const [room, { lines }] of [...draft.rooms]) {
          for (const line of lines.filter(due)) await this.#put(draft, room, line, (await this.#entries(line.block, draft)).filter((entry) => entry.expires === undefined || entry.expires > now));
        }
      });
    }
    const next = [...(await this.#load()).values()].flatMap(({ lines }) => lines.flatMap(({ expires }) => expires ?? []));
    return next.length === 0 ? undefined : next.reduce((a, b) => Math.min(a, b));
  }

  /** What has all of the words, newest first, and one more than the limit when there is more. */
  async find({ wanted, room, limit, now }: Query): Promise<Match[]> {
    const rooms = await this.#load();
    const listed = await this.#listed(wanted);
    const places = [...rooms]
      .filter(([id]) => room === undefined || id === room)
      .flatMap(([id, { lines }]) => lines.filter(({ full, block }) => !full || listed.has(block)).map((line) => ({ room: id, line })))
      .sort((a, b) => b.line.to - a.line.to);
    let found: Match[] = [];
    for (const place of places) {
      const last = found[limit];
      if (last !== undefined && last.at >= place.line.to) break; // everything else is older
      const matches = (await this.#entries(place.line.block)).filter((entry) => (entry.expires ?? Infinity) > now && finds(wanted, entry.text));
      if (matches.length === 0) continue;
      found = [...found, ...matches.map((entry) => ({ ...entry, room: place.room }))].sort((a, b) => b.at - a.at).slice(0, limit + 1);
    }
    return found;
  }

  /** The full blocks that have all of the words. */
  async #listed({ words, beginning }: Wanted): Promise<Set<number>> {
    const names = new Set([...words, ...(beginning === undefined ? [] : [beginning])].map(listOf));
    const lists = await this.#lists(names);
    const sets = words.map((word) => new Set(lists.get(listOf(word))?.get(word)));
    if (beginning !== undefined) {
      const begun = [...(lists.get(listOf(beginning)) ?? [])].filter(([word]) => word.startsWith(beginning));
      sets.push(new Set(begun.flatMap(([, blocks]) => blocks)));
    }
    return sets.reduce((all, one) => new Set([...all].filter((block) => one.has(block))));
  }

  async #lists(names: Iterable<string>): Promise<Map<string, WordList>> {
    return new Map([...(await this.#vault.readMany("search", names))].map(([name, bytes]) => [name, new Map(fromJson(bytes) as [string, readonly number[]][])]));
  }

  async #entries(block: number, draft?: Draft): Promise<readonly Entry[]> {
    const known = draft?.blocks.get(block) ?? this.#open.get(block);
    if (known !== undefined) this.#open.delete(block); // put at the end again
    const bytes = known === undefined ? (await this.#vault.readMany("search", [blockName(block)])).get(blockName(block)) : undefined;
    const entries = known ?? (bytes === undefined ? [] : (fromJson(bytes) as readonly Entry[]));
    this.#keepOpen(block, entries);
    return entries;
  }

  #keepOpen(block: number, entries: readonly Entry[]): void {
    this.#open.set(block, entries);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= keptOpen) return;
      this.#open.delete(oldest);
    }
  }

  async #load(): Promise<Map<RoomId, RoomRecord>> {
    if (this.#rooms !== undefined) return this.#rooms;
    const bytes = (await this.#vault.readMany("search", [headName])).get(headName);
    const { next, rooms } = bytes === undefined ? { next: 0, rooms: [] } : (fromJson(bytes) as Head);
    const records = await this.#vault.readMany("search", rooms.map(roomName));
    const loaded = new Map(
      rooms.flatMap((room) => {
        const record = records.get(roomName(room));
        return record === undefined ? [] : [[room, fromJson(record) as RoomRecord] as const];
      }),
    );
    if (this.#rooms === undefined) {
      this.#next = next + Math.floor(Math.random() * 1_000); // a tab that led before may still write its last block
      this.#rooms = loaded;
    }
    return this.#rooms;
  }

  /** One change after the other. One that could not be written has not happened. */
  #turn(act: (draft: Draft) => Promise<void>): Promise<void> {
    const turn = this.#writing.then(async () => {
      const draft = new Draft(await this.#load(), this.#next);
      try {
        await act(draft);
        await this.#write(draft);
      } catch (fault) {
        this.#open.clear();
        this.#rooms = undefined;
        throw fault;
      }
    });
    this.#writing = turn.catch(() => undefined);
    return turn;
  }

  async #write(draft: Draft): Promise<void> {
    const put = new Map<string, Bytes>();
    const remove: string[] = [];
    const lists = await this.#lists(draft.words.keys());
    for (const [name, words] of draft.words) {
      const list = new Map(lists.get(name));
      for (const [word, { add, drop }] of words) {
        const blocks = [...(list.get(word) ?? []).filter((block) => !drop.has(block) && !add.has(block)), ...add];
        if (blocks.length === 0) list.delete(word);
        else list.set(word, blocks);
      }
      if (list.size === 0) remove.push(name);
      else put.set(name, toJson([...list]));
    }
    for (const [block, entries] of draft.blocks) {
      if (entries.length === 0) remove.push(blockName(block));
      else put.set(blockName(block), toJson(entries));
    }
    for (const room of draft.changed) {
      const record = draft.rooms.get(room);
      if (record === undefined) remove.push(roomName(room));
      else put.set(roomName(room), toJson(record));
    }
    if (put.size + remove.length === 0) return;
    put.set(headName, toJson({ next: draft.next, rooms: [...draft.rooms.keys()] } satisfies Head));
    await this.#vault.change("search", { put, remove }, remove.length === 0 ? "relaxed" : "strict");
    this.#rooms = draft.rooms;
    this.#next = draft.next;
  }

  /** Puts what is newer than all of the room into one block and the rest into another, so that blocks lie one after the other in time. */
  async #add(draft: Draft, room: RoomId, entries: readonly Entry[]): Promise<void> {
    const { lines } = draft.rooms.get(room) ?? nothing;
    const newest = lines.reduce((latest, { to }) => Math.max(latest, to), -Infinity);
    const sorted = entries.toSorted((a, b) => a.at - b.at);
    const older = sorted.filter(({ at }) => at <= newest).reverse();
    const newer = sorted.filter(({ at }) => at > newest);
    await this.#fill(draft, room, newer, (open) => open.find(({ to }) => to >= newest));
    await this.#fill(draft, room, older, (open) => open.find(({ to }) => to < newest));
  }

  async #fill(draft: Draft, room: RoomId, entries: readonly Entry[], choose: (open: readonly Line[]) => Line | undefined): Promise<void> {
    let rest = entries;
    while (rest.length > 0) {
      const line = choose((draft.rooms.get(room) ?? nothing).lines.filter(({ full }) => !full)) ?? { block: draft.next++, from: 0, to: 0, size: 0, full: false };
      const before = await this.#entries(line.block, draft);
      const here = rest.slice(0, this.#room(before, rest));
      rest = rest.slice(here.length);
      await this.#put(draft, room, line, [...before, ...here]);
    }
  }

  /** How many more messages fill a block, by their number or their letters; at least one. */
  #room(before: readonly Entry[], rest: readonly Entry[]): number {
    const most = Math.max(1, this.#bounds.block - before.length);
    let size = lettersIn(before);
    const last = rest.findIndex(({ text }) => (size += text.length) >= this.#bounds.blockSize);
    return last < 0 ? most : Math.min(most, last + 1);
  }

  async #edit(draft: Draft, room: RoomId, edits: readonly Edit[]): Promise<void> {
    for (const { id, sender, text, edited } of edits) {
      for (const line of draft.rooms.get(room)?.lines ?? []) {
        const entries = await this.#entries(line.block, draft);
        const old = entries.find((entry) => entry.id === id);
        if (old === undefined) continue;
        if (old.sender !== sender || (old.edited?.at ?? 0) > edited.at || old.edited?.by === edited.by) break; // nobody changes what others wrote
        await this.#put(draft, room, line, entries.map((entry) => (entry === old ? { ...old, text: text.slice(0, longestText), edited } : entry)));
        break;
      }
    }
  }

  async #remove(draft: Draft, room: RoomId, ids: ReadonlySet<string>): Promise<void> {
    if (ids.size === 0) return;
    for (const line of draft.rooms.get(room)?.lines ?? []) {
      const entries = await this.#entries(line.block, draft);
      const left = entries.filter(({ id, edited }) => !ids.has(id) && (edited === undefined || !ids.has(edited.by)));
      if (left.length < entries.length) await this.#put(draft, room, line, left);
    }
  }

  /** Drops the oldest blocks of all rooms when there is too much. */
  async #bound(draft: Draft): Promise<void> {
    let size = sizeOf(draft.rooms);
    if (size <= this.#bounds.size) return;
    const all = [...draft.rooms].flatMap(([room, { lines }]) => lines.map((line) => ({ room, line }))).sort((a, b) => a.line.to - b.line.to);
    for (const { room, line } of all) {
      if (size <= this.#bounds.size) return;
      size -= line.size;
      await this.#put(draft, room, line, []);
      const { lines, stretches } = draft.rooms.get(room) ?? nothing;
      const left = stretches.filter(({ until }) => until > line.to).map((one) => (one.since > line.to ? one : { ...one, since: line.to + 1 }));
      draft.room(room, { lines, stretches: left, cut: true });
    }
  }

  /** Gives a block its messages; none take it away. */
  async #put(draft: Draft, room: RoomId, line: Line, entries: readonly Entry[]): Promise<void> {
    const record = draft.rooms.get(room) ?? nothing;
    const size = lettersIn(entries);
    const full = line.full || entries.length >= this.#bounds.block || size >= this.#bounds.blockSize;
    const before = line.full ? wordsIn(await this.#entries(line.block, draft)) : new Set<string>();
    const after = full ? wordsIn(entries) : new Set<string>();
    for (const word of after) if (!before.has(word)) draft.word(word, line.block, true);
    for (const word of before) if (!after.has(word)) draft.word(word, line.block, false);
    draft.blocks.set(line.block, entries);
    this.#keepOpen(line.block, entries);
    const others = record.lines.filter(({ block }) => block !== line.block);
    if (entries.length === 0) {
      draft.room(room, { ...record, lines: others });
      return;
    }
    const times = entries.map(({ at }) => at);
    const expires = entries.reduce((first, one) => Math.min(first, one.expires ?? Infinity), Infinity);
    const next: Line = { block: line.block, from: Math.min(...times), to: Math.max(...times), size, full, ...(expires === Infinity ? {} : { expires }) };
    draft.room(room, { ...record, lines: [...others, next] });
  }
}

/** What one turn changes, before it is written. */
class Draft {
  readonly rooms: Map<RoomId, RoomRecord>;
  next: number;
  readonly changed = new Set<RoomId>();
  readonly blocks = new Map<number, readonly Entry[]>();
  /** By list. */
  readonly words = new Map<string, Map<string, Moved>>();

  constructor(rooms: ReadonlyMap<RoomId, RoomRecord>, next: number) {
    this.rooms = new Map(rooms);
    this.next = next;
  }

  room(room: RoomId, record: RoomRecord | undefined): void {
    this.changed.add(room);
    if (record === undefined) this.rooms.delete(room);
    else this.rooms.set(room, record);
  }

  /** A word occurs in a block from now on, or does no more. */
  word(word: string, block: number, occurs: boolean): void {
    const list = listOf(word);
    const words = this.words.get(list) ?? new Map<string, Moved>();
    const { add, drop } = words.get(word) ?? { add: new Set(), drop: new Set() };
    this.words.set(list, words.set(word, { add, drop }));
    (occurs ? add : drop).add(block);
    (occurs ? drop : add).delete(block);
  }
}

/** The blocks that a word now occurs in, and those where it does no more. */
interface Moved {
  readonly add: Set<number>;
  readonly drop: Set<number>;
}

function lettersIn(entries: readonly Entry[]): number {
  return entries.reduce((sum, { text }) => sum + text.length, 0);
}

function wordsIn(entries: readonly Entry[]): Set<string> {
  return new Set(entries.flatMap(({ text }) => [...wordsOf(text)]));
}

function sizeOf(rooms: ReadonlyMap<RoomId, RoomRecord>): number {
  let size = 0;
  for (const { lines } of rooms.values()) for (const line of lines) size += line.size;
  return size;
}
