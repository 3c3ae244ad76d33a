import { describe, expect, it } from "vitest";

import type { MessageItem, NoteItem, OutboxEntry, Person } from "../../store/model.ts";
import { anna, ben, chiara, timelineOf } from "../../testing/app.ts";
import { keepSame, rowsOf, type MessageRow, type Row } from "./rows.ts";

const minute = 60_000;
const day = 24 * 60 * minute;
const dayOf = (at: number): number => Math.floor(at / day);

function message(id: string, at: number, sender: Person = ben, change: Partial<MessageItem> = {}): MessageItem {
  return { kind: "message", id, at, sender, own: sender === anna, edited: false, body: { kind: "text", text: id }, txn: undefined, ...change };
}

function entry(txn: string, at: number, change: Partial<OutboxEntry> = {}): OutboxEntry {
  return { txn, room: "!r", at, content: { kind: "text", text: txn }, state: "waiting", event: undefined, ...change };
}

/** "first", "middle", "last", "alone" for messages, the kind for the rest. */
function shape(rows: readonly Row[]): string[] {
  return rows.map((row) => {
    if (row.kind !== "message") return row.kind;
    const place = row.first ? (row.last ? "alone" : "first") : row.last ? "last" : "middle";
    return `${row.key} ${place}`;
  });
}

const messageRows = (rows: readonly Row[]): MessageRow[] => rows.filter((row) => row.kind === "message");

describe("rowsOf", () => {
  it("groups what one person writes in one go, and separates days", () => {
    const items = [message("a", 0), message("b", minute), message("c", 2 * minute), message("d", 20 * minute), message("e", 21 * minute, chiara), message("f", day, chiara)];
    expect(shape(rowsOf(timelineOf("!r", { items }), [], anna, dayOf))).toEqual(["day", "a first", "b middle", "c last", "d alone", "e alone", "day", "f alone"]);
  });

  it("lets a note end a group", () => {
    const note: NoteItem = { kind: "note", id: "n", at: minute, note: { kind: "joined", who: chiara } };
    expect(shape(rowsOf(timelineOf("!r", { items: [message("a", 0), note, message("b", 2 * minute)] }), [], anna, dayOf))).toEqual(["day", "a alone", "notes", "b alone"]);
  });

  it("shows what waits after the timeline, once, whoever is faster", () => {
    const items = [message("$1", 0, anna, { txn: "t1" }), message("$2", minute, anna)];
    const pending = [entry("t1", 0, { state: "sending" }), entry("t2", 0, { state: "sent", event: "$2" }), entry("t3", 2 * minute, { state: "sent", event: "$3" }), entry("t4", 2 * minute)];
    const rows = messageRows(rowsOf(timelineOf("!r", { items }), pending, anna, dayOf));
    expect(rows.map((row) => [row.key, row.status?.kind])).toEqual([
      ["$1", undefined],
      ["$2", undefined],
      ["t3", "sent"],
      ["t4", "waiting"],
    ]);
  });

  it("keeps a failed message apart with its transaction", () => {
    const rows = messageRows(rowsOf(timelineOf("!r"), [entry("t1", 0, { state: "failed" }), entry("t2", 0)], anna, dayOf));
    expect(rows.map((row) => [row.status, row.last])).toEqual([
      [{ kind: "failed", txn: "t1", critical: false }, true],
      [{ kind: "waiting" }, true],
    ]);
  });

  it("says who has read an own message: marks count for everything before them", () => {
    const items = [message("a", 0, anna), message("b", 10 * minute, anna), message("c", 20 * minute, anna)];
    const marks = [
      { person: ben, item: "b", at: 50 },
      { person: chiara, item: "a", at: 40 },
    ];
    const rows = messageRows(rowsOf(timelineOf("!r", { items, marks, others: [ben, chiara] }), [], anna, dayOf));
    expect(rows.map((row) => (row.status?.kind === "read" ? [row.status.readers.map((mark) => mark.person.name), row.status.unread.map((one) => one.name)] : row.status?.kind))).toEqual([
      [["Chiara Rossi", "Ben Okafor"], []],
      [["Ben Okafor"], ["Chiara Rossi"]],
      "sent",
    ]);
  });

  it("says whom an own message has reached, as long as nobody has read it", () => {
    const items = [message("a", 0, anna), message("b", 10 * minute, anna), message("c", 20 * minute, anna), message("d", 30 * minute, anna)];
    const delivered = [
      { person: ben, item: "c", at: 50 },
      { person: chiara, item: "b", at: 40 },
    ];
    const rows = messageRows(rowsOf(timelineOf("!r", { items, delivered, marks: [{ person: ben, item: "a", at: 60 }], others: [ben, chiara] }), [], anna, dayOf));
    expect(rows.map((row) => row.status)).toEqual([
      { kind: "read", readers: [{ person: ben, item: "a", at: 60 }], unread: [chiara] },
      { kind: "delivered", count: 2, total: 2 },
      { kind: "delivered", count: 1, total: 2 },
      { kind: "sent" },
    ]);
  });

  it("gives other people's messages no status", () => {
    const marks = [{ person: chiara, item: "a", at: 1 }];
    const [row] = messageRows(rowsOf(timelineOf("!r", { items: [message("a", 0)], marks, others: [ben, chiara] }), [], anna, dayOf));
    expect(row?.status).toBeUndefined();
  });
});

describe("keepSame", () => {
  it("keeps each row that says the same, and the whole list when all do", () => {
    const items = [message("a", 0), message("b", 20 * minute, anna)];
    const others = [ben, chiara];
    const before = rowsOf(timelineOf("!r", { items, others }), [], anna, dayOf);
    expect(keepSame(before, rowsOf(timelineOf("!r", { items, others }), [], anna, dayOf))).toBe(before);
    const after = keepSame(before, rowsOf(timelineOf("!r", { items, others, marks: [{ person: ben, item: "b", at: 1 }] }), [], anna, dayOf));
    expect(after[1]).toBe(before[1]);
    expect(after[2]).not.toBe(before[2]);
  });

  it("draws anew what was edited or could at last be decrypted", () => {
    const waiting = message("a", 0, ben, { body: { kind: "waiting", reason: "arriving" } });
    const before = rowsOf(timelineOf("!r", { items: [waiting] }), [], anna, dayOf);
    const after = keepSame(before, rowsOf(timelineOf("!r", { items: [message("a", 0)] }), [], anna, dayOf));
    expect(after[1]).toMatchObject({ body: { kind: "text", text: "a" } });
  });
});
