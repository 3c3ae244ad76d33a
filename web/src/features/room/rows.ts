import { isCritical } from "../../store/Outbox.ts";
import type { OutgoingMedia } from "../../store/media.ts";
import type { OutboxEntry, MessageBody, MessageItem, Note, Person, Priority, ReadMark, Timeline, TimelineItem } from "../../store/model.ts";

/** One line of a conversation as it is drawn. */
export type Row =
  | { readonly kind: "day"; readonly key: string; readonly at: number }
  | { readonly kind: "unread"; readonly key: string; readonly count: number }
  | NotesRow
  | MessageRow;

/** What happened besides messages, one thing after the other without a message between. */
export interface NotesRow {
  readonly kind: "notes";
  readonly key: string;
  readonly notes: readonly { readonly id: string; readonly note: Note }[];
}

export interface MessageRow {
  readonly kind: "message";
  readonly key: string;
  readonly at: number;
  readonly own: boolean;
  readonly sender: Person;
  readonly body: RowBody;
  readonly edited: boolean;
  readonly priority: Priority | undefined;
  /** First and last of what one person wrote in one go. */
  readonly first: boolean;
  readonly last: boolean;
  /** Only on own messages, and within a group only where it changes. */
  readonly status: Status | undefined;
  /** The message itself; undefined while it is on its way. */
  readonly item: MessageItem | undefined;
  /** What it answers, while it is on its way. */
  readonly answers: string | undefined;
}

export type RowBody = MessageBody | { readonly kind: "sending"; readonly txn: string; readonly media: OutgoingMedia; readonly fault: string | undefined };

export type Status =
  | { readonly kind: "waiting" | "sending" | "sent" }
  /** `critical`: somebody was to know at once, and does not. */
  | { readonly kind: "failed"; readonly txn: string; readonly critical: boolean }
  /** It has reached a device of so many of `total`; nobody has read it. */
  | { readonly kind: "delivered"; readonly count: number; readonly total: number }
  | { readonly kind: "read"; readonly readers: readonly ReadMark[]; readonly unread: readonly Person[] };

/** Messages of one person closer than this belong together. */
const together = 5 * 60_000;

/** Arranges a timeline and what is still on its way into rows. Pure: the same input gives the same rows. */
export function rowsOf(timeline: Timeline, pending: readonly OutboxEntry[], me: Person, dayOf: (at: number) => number): Row[] {
  const there = new Set(timeline.items.flatMap((item) => (item.kind === "message" ? [item.id, item.txn] : [])));
  const edits = new Map(pending.map((entry) => [editedBy(entry), entry]));
  const waiting = pending.filter((entry) => editedBy(entry) === undefined && !there.has(entry.txn) && (entry.event === undefined || !there.has(entry.event)));
  const readers = marksByItem(timeline, timeline.marks);
  const reached = marksByItem(timeline, timeline.delivered);
  const made = new Maker(dayOf);
  for (const item of timeline.items) {
    made.dayBreak(item.at);
    if (item.id === timeline.unread?.from) made.add({ kind: "unread", key: "unread", count: timeline.unread.count });
    if (item.kind === "note") made.note(item);
    else made.add(messageRow(item, sentStatus(readers.get(item.id) ?? [], reached.get(item.id) ?? [], timeline.others), edits.get(item.id)));
  }
  for (const entry of timeline.newer === "live" ? waiting : []) {
    made.dayBreak(entry.at);
    made.add(pendingRow(entry, me));
  }
  return made.rows;
}

class Maker {
  readonly rows: Row[] = [];
  readonly #dayOf: (at: number) => number;
  #day: number | undefined;

  constructor(dayOf: (at: number) => number) {
    this.#dayOf = dayOf;
  }

  add(row: Row): void {
    const before = this.rows.at(-1);
    if (row.kind !== "message" || before?.kind !== "message" || !follows(before, row)) {
      this.rows.push(row);
      return;
    }
    this.rows[this.rows.length - 1] = { ...before, last: false, status: sameStage(before.status, row.status) ? undefined : before.status };
    this.rows.push({ ...row, first: false });
  }

  note(item: Extract<TimelineItem, { kind: "note" }>): void {
    const before = this.rows.at(-1);
    const one = { id: item.id, note: item.note };
    if (before?.kind === "notes") this.rows[this.rows.length - 1] = { ...before, notes: [...before.notes, one] };
    else this.add({ kind: "notes", key: item.id, notes: [one] });
  }

  dayBreak(at: number): void {
    if (this.#dayOf(at) === this.#day) return;
    this.#day = this.#dayOf(at);
    this.add({ kind: "day", key: `day-${String(this.#day)}`, at });
  }
}

function editedBy({ content }: OutboxEntry): string | undefined {
  return content.kind === "text" ? content.edits : undefined;
}

function messageRow(item: MessageItem, sent: Status, edit: OutboxEntry | undefined): MessageRow {
  const { id, at, own, sender } = item;
  const plain = { kind: "message", key: id, at, own, sender, priority: item.priority, first: true, last: true, item, answers: undefined } as const;
  if (edit !== undefined) return { ...plain, body: bodyOfEntry(edit), edited: true, status: entryStatus(edit) };
  return { ...plain, body: item.body, edited: item.edited, status: own ? sent : undefined };
}

function sentStatus(readers: readonly ReadMark[], reached: readonly ReadMark[], others: readonly Person[]): Status {
  if (readers.length === 0) return reached.length === 0 ? { kind: "sent" } : { kind: "delivered", count: reached.length, total: others.length };
  const read = new Set(readers.map((mark) => mark.person.id));
  return { kind: "read", readers, unread: others.filter((person) => !read.has(person.id)) };
}

function pendingRow(entry: OutboxEntry, me: Person): MessageRow {
  const { txn, at, content } = entry;
  const plain = { kind: "message", key: txn, at, own: true, sender: me, first: true, last: true, edited: false, item: undefined } as const;
  return { ...plain, body: bodyOfEntry(entry), priority: content.priority, status: entryStatus(entry), answers: content.reply };
}

function entryStatus(entry: OutboxEntry): Status {
  const { state, txn } = entry;
  return state === "failed" ? { kind: "failed", txn, critical: isCritical(entry) } : { kind: state };
}

export function bodyOfEntry({ content, txn, fault }: OutboxEntry): RowBody {
  switch (content.kind) {
    case "text":
      return { kind: "text", text: content.text, ...(content.html === undefined ? {} : { html: content.html }) };
    case "media":
      return { kind: "sending", txn, media: content, fault };
    case "place":
      return { kind: "place", place: content.place, name: "" };
    case "poll": {
      const answers = content.answers.map((text, i) => ({ id: String(i), text, people: [], own: false }));
      return { kind: "poll", poll: { question: content.question, answers, open: content.open, most: content.most, ended: false, voters: 0 } };
    }
  }
}

function follows(before: MessageRow, row: MessageRow): boolean {
  return before.sender.id === row.sender.id && row.at - before.at < together && before.status?.kind !== "failed";
}

/** Inside a group a status is said once, at the last message that has got as far. */
function sameStage(a: Status | undefined, b: Status | undefined): boolean {
  if (a?.kind === "read" && b?.kind === "read") return a.readers.length === b.readers.length;
  if (a?.kind === "delivered" && b?.kind === "delivered") return a.count === b.count;
  return a?.kind === b?.kind;
}

/** Everybody who has read one item, earliest first. */
export function readersOf(timeline: Timeline, item: string): readonly ReadMark[] {
  return marksByItem(timeline, timeline.marks).get(item) ?? [];
}

/** Everybody whom one item has reached, earliest first. */
export function reachedBy(timeline: Timeline, item: string): readonly ReadMark[] {
  return marksByItem(timeline, timeline.delivered).get(item) ?? [];
}

/** For each item everybody whose mark covers it: that is its own item and all before. Earliest first. */
function marksByItem(timeline: Timeline, all: readonly ReadMark[]): Map<string, readonly ReadMark[]> {
  const at = new Map(timeline.items.map((item, i) => [item.id, i]));
  const marks = all.toSorted((a, b) => (at.get(b.item) ?? -1) - (at.get(a.item) ?? -1));
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
  if (a.kind === "message" && b.kind === "message") {
    const plain = a.at === b.at && a.edited === b.edited && a.first === b.first && a.last === b.last && a.sender.name === b.sender.name && a.sender.role === b.sender.role;
    return plain && a.item === b.item && sameBody(a.body, b.body) && sameStatus(a.status, b.status);
  }
  if (a.kind === "notes" && b.kind === "notes") return a.notes.length === b.notes.length && a.notes.every((one, i) => one.note === b.notes[i]?.note);
  if (a.kind === "unread" && b.kind === "unread") return a.count === b.count;
  return a.kind === "day" && b.kind === "day" && a.at === b.at;
}

function sameBody(a: RowBody, b: RowBody): boolean {
  if (a.kind === "sending" && b.kind === "sending") return a.media === b.media && a.fault === b.fault;
  return a === b || (a.kind === "text" && b.kind === "text" && a.text === b.text && a.html === b.html) || (a.kind !== "text" && a.kind === b.kind && JSON.stringify(a) === JSON.stringify(b));
}

function sameStatus(a: Status | undefined, b: Status | undefined): boolean {
  if (a?.kind === "delivered" && b?.kind === "delivered") return a.count === b.count && a.total === b.total;
  if (a?.kind !== "read" || b?.kind !== "read") return a?.kind === b?.kind;
  const same = (x: ReadMark, y: ReadMark | undefined): boolean => x.person.id === y?.person.id && x.at === y.at;
  return a.readers.length === b.readers.length && a.unread.length === b.unread.length && a.readers.every((mark, i) => same(mark, b.readers[i]));
}
