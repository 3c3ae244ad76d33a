import { ContentHelpers, LocationAssetType, M_POLL_KIND_DISCLOSED, M_POLL_KIND_UNDISCLOSED } from "matrix-js-sdk";
import { PollStartEvent } from "matrix-js-sdk/lib/extensible_events_v1/PollStartEvent";

import type { Address, OutboxContent } from "../store/model.ts";
import { expiresAt, priorityKey } from "./events.ts";

type Content = Record<string, unknown>;

export interface Composed {
  readonly type: string;
  readonly content: Content;
}

/** An event of the Matrix specification for what somebody wrote. `expires` is when it vanishes. */
export function compose(content: Exclude<OutboxContent, { kind: "media" }>, expires: number | undefined): Composed {
  switch (content.kind) {
    case "text":
      return { type: "m.room.message", content: { ...textContent(content), ...marked(content, expires) } };
    case "poll": {
      const kind = content.open ? M_POLL_KIND_DISCLOSED : M_POLL_KIND_UNDISCLOSED;
      const poll = PollStartEvent.from(content.question, [...content.answers], kind.name, content.most).serialize();
      return { type: poll.type, content: { ...(poll.content as Content), ...relation(content), ...marked(content, expires) } };
    }
    case "place": {
      const { latitude, longitude } = content.place;
      const body = `geo:${latitude.toFixed(6)},${longitude.toFixed(6)}`;
      const made = ContentHelpers.makeLocationContent(body, body, Date.now(), undefined, LocationAssetType.Self);
      return { type: "m.room.message", content: { ...made, ...relation(content), ...marked(content, expires) } };
    }
  }
}

/** What every kind of message may say besides: how soon somebody must know it, and when it vanishes. */
export function marked({ priority }: Address, expires: number | undefined): Content {
  return { ...(priority === undefined ? {} : { [priorityKey]: priority }), ...expiring(expires) };
}

export function expiring(expires: number | undefined): Content {
  return expires === undefined ? {} : { [expiresAt]: expires };
}

function textContent(content: Extract<OutboxContent, { kind: "text" }>): Content {
  const { text, html, edits, mentions = [], mentionsRoom = false } = content;
  const message = {
    msgtype: "m.text",
    body: text,
    ...(html === undefined ? {} : { format: "org.matrix.custom.html", formatted_body: html }),
    "m.mentions": { ...(mentions.length > 0 ? { user_ids: mentions } : {}), ...(mentionsRoom ? { room: true } : {}) },
  };
  if (edits === undefined) return { ...message, ...relation(content) };
  // Whoever knows no edits sees the new text with a star. Nobody is told again.
  const starred = { body: `* ${text}`, ...(html === undefined ? {} : { formatted_body: `* ${html}` }) };
  return { ...message, ...starred, "m.mentions": {}, "m.new_content": message, "m.relates_to": { rel_type: "m.replace", event_id: edits } };
}

/** "Rich replies" and "Threading": a message in a thread that answers nothing in particular links back for other clients. */
export function relation({ thread, reply }: Address): Content {
  const answer = reply === undefined ? {} : { "m.in_reply_to": { event_id: reply } };
  if (thread === undefined) return reply === undefined ? {} : { "m.relates_to": answer };
  const back = reply === undefined ? { "m.in_reply_to": { event_id: thread } } : answer;
  return { "m.relates_to": { rel_type: "m.thread", event_id: thread, is_falling_back: reply === undefined, ...back } };
}
