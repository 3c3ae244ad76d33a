import { EventStatus, HTTPError, type ISendEventResponse, type MatrixClient, type MatrixEvent, type Room } from "matrix-js-sdk";

import { Refusal } from "../store/Homeserver.ts";
import type { OutboxEntry } from "../store/model.ts";
import { compose, marked, relation, type Composed } from "./compose.ts";
import { expiryOf } from "./expiry.ts";
import { mediaContent } from "./outgoing.ts";
import { toRefusal } from "./refusal.ts";

/** A message is small: a server that has not answered by then has hung, and what waits behind it need not. */
const sendPatience = 15_000;

/** Fetches, and gives the sending of one message less time than all else. */
export const soonSent: typeof fetch = (resource, init) => {
  const address = resource instanceof Request ? resource.url : resource.toString();
  if (init?.method !== "PUT" || !/\/rooms\/[^/]+\/send\//.test(address)) return fetch(resource, init);
  const soon = AbortSignal.timeout(sendPatience);
  return fetch(resource, { ...init, signal: init.signal ? AbortSignal.any([init.signal, soon]) : soon });
};

/** Sends what the outbox asks for, over Matrix's SDK. */
export class Delivery {
  readonly #client: MatrixClient;

  constructor(client: MatrixClient) {
    this.#client = client;
  }

  /** Is the server's own copy of a message in its timeline? It is known by its transaction too: the answer may have been lost. */
  arrived({ room, txn, event, content }: OutboxEntry): boolean {
    const there = this.#client.getRoom(room);
    if (there === null) return false;
    if (event !== undefined && there.findEventById(event)?.status === null) return true;
    const thread = content.thread === undefined ? undefined : there.getThread(content.thread);
    const newest = [...there.getLiveTimeline().getEvents(), ...(thread?.timeline ?? [])];
    return newest.some((one) => one.status === null && one.getUnsigned().transaction_id === txn);
  }

  async deliver(entry: OutboxEntry): Promise<string> {
    const room = this.#client.getRoom(entry.room);
    if (room === null) throw new Refusal("gone", "the room is not known");
    try {
      const before = room.getEventForTxnId(entry.txn);
      const sent = before === undefined ? await this.#sendFirst(entry, room) : await this.#sendAgain(before, room);
      if (sent === undefined) throw new Refusal("unreachable", "kept back before it had left");
      return sent;
    } catch (fault) {
      this.#takeOut(room.getEventForTxnId(entry.txn)); // the SDK sends nothing more in a room that holds a failed event
      throw passing(fault);
    }
  }

  keepBack({ room, txn }: OutboxEntry): void {
    const pending = this.#client.getRoom(room)?.getEventForTxnId(txn);
    if (pending?.status === EventStatus.ENCRYPTING) this.#takeOut(pending);
  }

  // The SDK answers with no id when the event was taken out before it was sent.

  async #sendFirst(entry: OutboxEntry, room: Room): Promise<string | undefined> {
    const { type, content } = composed(entry, room);
    const sent: Partial<ISendEventResponse> = await this.#client.sendEvent(entry.room, entry.content.thread ?? null, type as never, content as never, entry.txn);
    return sent.event_id;
  }

  async #sendAgain(event: MatrixEvent, room: Room): Promise<string | undefined> {
    if (event.status === EventStatus.SENT || event.status === null) return event.getId();
    if (event.status === EventStatus.CANCELLED) event.setStatus(EventStatus.NOT_SENT); // taken out; the transaction stays known to the SDK
    const sent: Partial<ISendEventResponse> = await this.#client.resendEvent(event, room);
    return sent.event_id;
  }

  /** Takes a message out of what the SDK holds to be sent, unless it is on its way. */
  #takeOut(event: MatrixEvent | undefined): void {
    if (event?.status === EventStatus.NOT_SENT || event?.status === EventStatus.ENCRYPTING) this.#client.cancelPendingEvent(event);
  }
}

/** Only an answer decides: without one the server may have taken the message, and it is asked again. */
function passing(fault: unknown): Refusal {
  if (fault instanceof Refusal || fault instanceof HTTPError) return toRefusal(fault);
  return new Refusal("unreachable", String(fault));
}

function composed({ content, uploaded }: OutboxEntry, room: Room): Composed {
  if (content.kind !== "media") return compose(content, expiryOf(room, content));
  if (uploaded === undefined) throw new Refusal("other", "the files are not on the server");
  return { type: "m.room.message", content: { ...mediaContent(content, uploaded), ...relation(content), ...marked(content, expiryOf(room, content)) } };
}
