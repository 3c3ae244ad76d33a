import { EventType, M_POLL_KIND_DISCLOSED, M_POLL_RESPONSE, NotificationCountType, RelationType, type MatrixEvent, type Poll as SdkPoll, type Room } from "matrix-js-sdk";

import type { Poll, Quote, Reaction, ThreadSummary } from "../store/conversation.ts";
import { bodyOf, personIn, pollStart, textOf } from "./events.ts";
import { list, number, record, string } from "./json.ts";

/** The signs on a message, in the order in which they first came. */
export function reactionsOf(event: MatrixEvent, room: Room, me: string): readonly Reaction[] {
  const relations = room.relations.getChildEventsForEvent(event.getId() ?? "", RelationType.Annotation, EventType.Reaction);
  const byKey = Map.groupBy(
    (relations?.getRelations() ?? []).filter((one) => !one.isRedacted()).sort((a, b) => a.getTs() - b.getTs()),
    (one) => one.getRelation()?.key ?? "",
  );
  byKey.delete("");
  return [...byKey].map(([key, events]) => {
    const senders = [...new Set(events.map((one) => one.getSender() ?? ""))];
    return { key, people: senders.map((id) => personIn(room, id)), own: senders.includes(me) };
  });
}

/** One's own sign on a message, to be taken away again. */
export function ownReaction(room: Room, item: string, key: string, me: string): MatrixEvent | undefined {
  const relations = room.relations.getChildEventsForEvent(item, RelationType.Annotation, EventType.Reaction);
  return relations?.getRelations().find((one) => one.getSender() === me && one.getRelation()?.key === key && !one.isRedacted());
}

/** What was answered under a message; undefined when nothing was. */
export function threadOf(event: MatrixEvent, room: Room): ThreadSummary | undefined {
  const thread = room.getThread(event.getId() ?? "");
  if (thread === null || thread.length === 0) return undefined;
  const last = thread.replyToEvent;
  const body = last === null ? undefined : bodyOf(last);
  const unread = room.getThreadUnreadNotificationCount(thread.id, NotificationCountType.Total);
  const sender = last?.getSender();
  return { replies: thread.length, last: body === undefined || sender === undefined || last === null ? undefined : { sender: personIn(room, sender), body, at: last.getTs() }, unread };
}

/** The message that this one answers; a thread's own backward link does not count. */
export function replyOf(event: MatrixEvent): string | undefined {
  const relation = record(event.getWireContent()["m.relates_to"]);
  if (relation["is_falling_back"] === true) return undefined;
  return string(record(relation["m.in_reply_to"])["event_id"]);
}

export function quoteOf(item: string, found: MatrixEvent | undefined, room: Room): Quote {
  const sender = found?.getSender();
  if (found === undefined || sender === undefined) return { item, sender: undefined, body: undefined };
  return { item, sender: personIn(room, sender), body: bodyOf(found) };
}

/** A poll with its votes, as far as `sdk` has them. The last vote of each person counts, and only answers there are. */
export function pollOf(event: MatrixEvent, room: Room, me: string, sdk: SdkPoll | undefined, responses: readonly MatrixEvent[]): Poll {
  const start = pollStart(event.getContent());
  const most = Math.max(1, number(start["max_selections"]) ?? 1);
  const known = list(start["answers"])
    .slice(0, 20)
    .map((answer) => ({ id: string(record(answer)["m.id"] ?? record(answer)["id"]) ?? "", text: textOf(record(answer)) }))
    .filter((answer) => answer.id !== "");
  const votes = new Map<string, readonly string[]>();
  for (const response of responses.toSorted((a, b) => a.getTs() - b.getTs())) {
    votes.set(response.getSender() ?? "", votesOf(response).filter((id, i, all) => all.indexOf(id) === i && known.some((answer) => answer.id === id)).slice(0, most));
  }
  const cast = [...votes].filter(([, chosen]) => chosen.length > 0);
  return {
    question: textOf(record(start["question"])),
    answers: known.map(({ id, text }) => {
      const people = cast.filter(([, chosen]) => chosen.includes(id)).map(([person]) => person);
      return { id, text, people: people.map((person) => personIn(room, person)), own: people.includes(me) };
    }),
    open: M_POLL_KIND_DISCLOSED.matches(string(start["kind"]) ?? ""),
    most,
    ended: sdk?.isEnded === true,
    voters: cast.length,
  };
}

function votesOf(response: MatrixEvent): string[] {
  const content = response.getContent();
  const body = record(content[M_POLL_RESPONSE.name] ?? content[M_POLL_RESPONSE.altName]);
  return list(content["m.selections"] ?? body["answers"]).filter((id) => typeof id === "string");
}
