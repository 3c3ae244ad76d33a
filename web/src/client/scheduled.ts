import { MatrixEvent, Method, type MatrixClient, type Room } from "matrix-js-sdk";
import type { CryptoBackend } from "matrix-js-sdk/lib/common-crypto/CryptoBackend";

import { Refusal } from "../store/Homeserver.ts";
import type { TextContent } from "../store/Messages.ts";
import { Store } from "../store/Store.ts";
import type { Schedule, Scheduled } from "../store/conversation.ts";
import { compose } from "./compose.ts";
import { expiryOf } from "./expiry.ts";
import { number, record, string } from "./json.ts";

const feature = "org.matrix.msc4140";
const cannot: Schedule = { able: false, messages: [] };

/**
 * Messages that the server sends later (MSC4140). They are encrypted when they are scheduled, for who is in the room
 * then: the SDK's own call would hand them over readable.
 */
export class ScheduledMessages {
  readonly store = new Store<Schedule>(cannot);
  readonly #client: MatrixClient;

  constructor(client: MatrixClient) {
    this.#client = client;
  }

  async add(room: Room, content: TextContent, at: number): Promise<void> {
    const delay = at - Date.now();
    if (delay <= 0) throw new Refusal("other", "that time is over");
    const composed = compose(content, expiryOf(room, content, at));
    const event = new MatrixEvent({ type: composed.type, content: composed.content, room_id: room.roomId, sender: this.#client.getSafeUserId() });
    if (room.hasEncryptionStateEvent()) {
      const crypto = this.#client.getCrypto() as CryptoBackend | undefined;
      if (crypto === undefined) throw new Refusal("other", "the encryption is not open");
      await crypto.encryptEvent(event, room);
    }
    const path = `/rooms/${encodeURIComponent(room.roomId)}/send/${event.getWireType()}/${this.#client.makeTxnId()}`;
    await this.#client.http.authedRequest(Method.Put, path, { [`${feature}.delay`]: String(delay) }, event.getWireContent());
    await this.refresh();
  }

  async refresh(): Promise<void> {
    if (!(await this.#client.doesServerSupportUnstableFeature(feature))) {
      this.store.set(cannot);
      return;
    }
    const waiting: unknown[] = [];
    let from: string | undefined;
    do {
      const { scheduled, next_batch } = await this.#client._unstable_getDelayedEvents("scheduled", undefined, from);
      waiting.push(...(scheduled ?? []));
      from = next_batch;
    } while (from !== undefined);
    const read = await Promise.all(waiting.map((one) => this.#read(record(one))));
    this.store.set({ able: true, messages: read.filter((one) => one !== undefined).sort((a, b) => a.at - b.at) });
  }

  async cancel(id: string): Promise<void> {
    await this.#client._unstable_cancelScheduledDelayedEvent(id);
    await this.refresh();
  }

  async sendNow(id: string): Promise<void> {
    await this.#client._unstable_sendScheduledDelayedEvent(id);
    await this.refresh();
  }

  async #read(one: Readonly<Record<string, unknown>>): Promise<Scheduled | undefined> {
    const id = string(one["delay_id"]);
    const room = string(one["room_id"]);
    const type = string(one["type"]);
    const since = number(one["running_since"]);
    const delay = number(one["delay"]);
    if (id === undefined || room === undefined || type === undefined || since === undefined || delay === undefined) return undefined;
    const event = new MatrixEvent({ type, content: record(one["content"]), room_id: room, sender: this.#client.getSafeUserId(), event_id: `$${id}`, origin_server_ts: since });
    await this.#client.decryptEventIfNeeded(event);
    const readable = event.getType() === "m.room.message" && !event.isDecryptionFailure();
    return { id, room, at: since + delay, text: readable ? string(event.getContent()["body"]) : undefined };
  }
}
