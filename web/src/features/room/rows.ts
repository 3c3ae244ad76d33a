import type { OutgoingMedia } from "../../store/media.ts";
import type { MessageBody, MessageItem, Note, OutboxEntry, Person, ReadMark, Timeline } from "../../store/model.ts";

/** One line of a conversation as it is drawn. */
export type Row =
  | { readonly kind: "day"; readonly key: string; readonly at: number }
  | { readonly kind: "note"; readonly key: string; readonly at: number; readonly note: Note }
  | MessageRow;

export interface MessageRow {
  readonly kind: "message";
  readonly key: string;
  readonly at: number;
  readonly own: boolean;
  readonly sender: Person;
  readonly body: RowBody;
  readonly edited: boolean;
  /** First and last of what one person wrote in one go. */
  readonly first: boolean;
  readonly last: boolean;
  /** Only on own messages, and within a group only where it changes. */
  readonly status: Status | undefined;
}

export type RowBody = MessageBody | { readonly kind: "sending"; readonly txn: string; readonly media: OutgoingMedia; readonly fault: string | undefined };

export type Status =
  | { readonly kind: "waiting" | "sending" | "sent" }
  | { readonly kind: "failed"; readonly txn: string }
  | { readonly kind: "read"; readonly readers: readonly ReadMark[]; readonly unread: readonly Person[] };

/** Messages of one person closer than this belong together. */
const together = 5 * 60_000;

/** Arranges a room's timeline and what is still on its way into rows. Pure: the same input gives the same rows. */
export function rowsOf(timeline: Timeline, pending: readonly OutboxEntry[], me: Person, dayOf: (at: number) => number): Row[] {
  const there = new Set(timeline.items.flatMap((item) => (item.kind === "message" ? [item.id, item.txn] : [])));
  const waiting = pending.filter((entry) => !there.has(entry.txn) && (entry.event === undefined || !there.has(entry.event)));
  const readers = readersByItem(timeline);
  const rows: Row[] = [];
  let day: number | undefined;
  let previous: MessageRow | undefined;
  const add = (row: Row): void => {
    if (row.kind === "message" && previous !== undefined && follows(previous, row)) {
      rows[rows.length - 1] = previous = { ...previous, last: false, status: sameStage(previous.status, row.status) ? undefined : previous.status };
      rows.push((previous = { ...row, first: false }));
      return;
    }
    rows.push(row);
    previous = row.kind === "message" ? row : undefined;
  };
  const dayBreak = (at: number): void => {
    if (dayOf(at) === day) return;
    day = dayOf(at);
    add({ kind: "day", key: `day-${String(day)}`, at });
  };
  for (const item of timeline.items) {
    dayBreak(item.at);
    if (item.kind === "note") add({ kind: "note", key: item.id, at: item.at, note: item.note });
    else add(messageRow(item, readers.get(item.id) ?? [], timeline.others));
  }
  for (const entry of waiting) {
    dayBreak(entry.at);
    add(pendingRow(entry, me));
  }
  return rows;
}

function messageRow(item: MessageItem, readers: readonly ReadMark[], others: readonly Person[]): MessageRow {
  const { id, at, own, sender, body, edited } = item;
  const status = own ? sentStatus(readers, others) : undefined;
  return { kind: "message", key: id, at, own, sender, body, edited, first: true, last: true, status };
}

function sentStatus(readers: readonly ReadMark[], others: readonly Person[]): Status {
  if (readers.length === 0) return { kind: "sent" };
  const read = new Set(readers.map((mark) => mark.person.id));
  return { kind: "read", readers, unread: others.filter((person) => !read.has(person.id)) };
}

function pendingRow(entry: OutboxEntry, me: Person): MessageRow {
  const { content, state, txn } = entry;
  const body: RowBody =
    content.kind === "text"
      ? { kind: "text", text: content.text }
      : { kind: "sending", txn, media: content, fault: entry.fault };
  const status: Status = state === "failed" ? { kind: "failed", txn } : { kind: state };
  return { kind: "message", key: txn, at: entry.at, own: true, sender: me, body, edited: false, first: true, last: true, status };
}

function follows(before: MessageRow, row: MessageRow): boolean {
  return before.sender.id === row.sender.id && row.at - before.at < together && before.status?.kind !== "failed";
}

/** Inside a group a status is said once, at the last message that has got as far. */
function sameStage(a: Status | undefined, b: Status | undefined): boolean {
  if (a?.kind === "read" && b?.kind === "read") return a.readers.length === b.readers.length;
  return a?.kind === b?.kind;
}

/** For each item everybody who has read it: a mark covers its item and all before. Earliest reader first. */
function readersByItem(timeline: Timeline): Map<string, readonly ReadMark[]> {
  const at = new Map(timeline.items.map((item, i) => [item.id, i]));
  const marks = timeline.marks.toSorted((a, b) => (at.get(b.item) ?? -1) - (at.get(a.item) ?? -1));
  const result = new Map<string, readonly ReadMark[]>();
  let readers: readonly ReadMark[] = [];
  let next = 0;
  for (let i = timeline.items.length - 1; i >= 0; i--) {
    const item = timeline.items[i];
    if (item === undefined) continue;
    const before = next;
    while (next < marks.length && (at.get(marks[next]?.item ?? "") ?? -1) >= i) next++;
    if (next !== before) readers = marks.slice(0, next).sort((a, b) => a.at - b.at);
    if (readers.length > 0) result.set(item.id, readers);
  }
  return result;
}

/** The rows again, but with the old object for each that says the same, so that it need not be drawn anew. */
export function keepSame(before: readonly Row[], rows: readonly Row[]): readonly Row[] {
  const old = new Map(before.map((row) => [row.key, row]));
  const kept = rows.map((row) => {
    const known = old.get(row.key);
    return known !== undefined && sameRow(known, row) ? known : row;
  });
  return kept.length === before.length && kept.every((row, i) => row === before[i]) ? before : kept;
}

function sameRow(a: Row, b: Row): boolean {
  if (a.kind === "day" || b.kind === "day") return a.kind === b.kind && a.at === b.at;
  if (a.kind === "note" || b.kind === "note") return a.kind === "note" && b.kind === "note" && a.note === b.note;
  const plain = a.at === b.at && a.edited === b.edited && a.first === b.first && a.last === b.last && a.sender.name === b.sender.name;
  return plain && sameBody(a.body, b.body) && sameStatus(a.status, b.status);
}

function sameBody(a: RowBody, b: RowBody): boolean {
  if (a.kind === "sending" && b.kind === "sending") return a.media === b.media && a.fault === b.fault;
  return a === b || (a.kind === "text" && b.kind === "text" && a.text === b.text);
}

function sameStatus(a: Status | undefined, b: Status | undefined): boolean {
  if (a?.kind !== "read" || b?.kind !== "read") return a?.kind === b?.kind;
  const same = (x: ReadMark, y: ReadMark | undefined): boolean => x.person.id === y?.person.id && x.at === y.at;
  return a.readers.length === b.readers.length && a.unread.length === b.unread.length && a.readers.every((mark, i) => same(mark, b.readers[i]));
}
