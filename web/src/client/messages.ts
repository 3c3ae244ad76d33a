import { Direction, EventStatus, type MatrixClient, type MatrixEvent, type Room } from "matrix-js-sdk";
import { PollEndEvent } from "matrix-js-sdk/lib/extensible_events_v1/PollEndEvent";
import { PollResponseEvent } from "matrix-js-sdk/lib/extensible_events_v1/PollResponseEvent";

import { Refusal } from "../store/Homeserver.ts";
import type { Messages, TextContent } from "../store/Messages.ts";
import type { Readable } from "../store/Store.ts";
import type { Place, SavedReply, Schedule, ThreadLine } from "../store/conversation.ts";
import type { RoomId, Timeline } from "../store/model.ts";
import { expiring } from "./compose.ts";
import type { DeliveredMarks } from "./delivered.ts";
import { bodyOf, expiresAt, expiryType, personIn } from "./events.ts";
import { ExpiryKeeper, expiryOf } from "./expiry.ts";
import { whereHere } from "./here.ts";
import { HospitalRoles } from "./hospitalRoles.ts";
import { list, number } from "./json.ts";
import { ownReaction, threadOf } from "./relations.ts";
import { refusing } from "./refusal.ts";
import { SavedReplies } from "./replies.ts";
import { ScheduledMessages } from "./scheduled.ts";
import { TimelineFeed } from "./timeline.ts";

/** What apps that know no polls show when one ends; it may not be empty. */
const pollOver = "Poll ended";

export interface MessageHooks {
  /** A room's timeline was cut. */
  onGap(room: RoomId): void;
  /** Somebody has looked at a room. */
  onRead(room: RoomId): Promise<void>;
}

/** Everything about the messages of rooms that is asked of the server. */
export class RoomMessages implements Messages {
  readonly #client: MatrixClient;
  readonly #delivered: DeliveredMarks;
  readonly #hooks: MessageHooks;
  readonly #roles: HospitalRoles;
  readonly #feeds = new Map<string, TimelineFeed>();
  readonly #markedRead = new Map<string, string>();
  readonly #scheduled: ScheduledMessages;
  readonly #replies: SavedReplies;
  readonly #expiry: ExpiryKeeper;

  constructor(client: MatrixClient, delivered: DeliveredMarks, hooks: MessageHooks) {
    this.#client = client;
    this.#delivered = delivered;
    this.#roles = new HospitalRoles(client);
    this.#hooks = hooks;
    this.#scheduled = new ScheduledMessages(client);
    this.#replies = new SavedReplies(client);
    this.#expiry = new ExpiryKeeper(client);
  }

  stop(): void {
    this.#expiry.stop();
    this.#roles.stop();
  }

  timeline(room: RoomId): Readable<Timeline> | undefined {
    return this.#feed(room, undefined)?.store;
  }

  thread(room: RoomId, root: string): Readable<Timeline> | undefined {
    return this.#feed(room, root)?.store;
  }

  enter(room: RoomId): void {
    this.#feed(room, undefined)?.enter();
  }

  threads(room: RoomId): Promise<readonly ThreadLine[]> {
    return refusing(async () => {
      const there = this.#room(room);
      await there.createThreadsTimelineSets();
      await there.fetchRoomThreads();
      const lines = there.getThreads().flatMap((thread): ThreadLine[] => {
        const root = thread.rootEvent;
        const summary = root === undefined ? undefined : threadOf(root, there);
        const body = root === undefined ? undefined : bodyOf(root);
        if (root === undefined || summary === undefined || body === undefined) return [];
        return [{ root: thread.id, sender: personIn(there, root.getSender() ?? ""), body, at: summary.last?.at ?? root.getTs(), summary }];
      });
      return lines.sort((a, b) => b.at - a.at);
    });
  }

  loadOlder(room: RoomId, thread: string | undefined): Promise<void> {
    return this.#feed(room, thread)?.loadOlder() ?? Promise.resolve();
  }

  loadNewer(room: RoomId, thread: string | undefined): Promise<void> {
    return refusing(async () => this.#feed(room, thread)?.loadNewer());
  }

  follow(room: RoomId, thread: string | undefined, yes: boolean): void {
    this.#feed(room, thread)?.follow(yes);
  }

  toNewest(room: RoomId, thread: string | undefined): void {
    this.#feed(room, thread)?.toNewest();
  }

  toItem(room: RoomId, item: string): Promise<string | undefined> {
    return refusing(async () => {
      const there = this.#room(room);
      const event = there.findEventById(item) ?? this.#client.getEventMapper()(await this.#client.fetchRoomEvent(room, item));
      const thread = event.threadRootId;
      if (thread !== undefined && thread !== item) return thread;
      await this.#feed(room, undefined)?.toItem(item);
      return undefined;
    });
  }

  toUnread(room: RoomId): Promise<void> {
    return refusing(async () => this.#feed(room, undefined)?.toUnread());
  }

  toTime(room: RoomId, at: number): Promise<string> {
    return refusing(async () => {
      const { event_id } = await this.#client.timestampToEvent(room, at, Direction.Forward);
      await this.#feed(room, undefined)?.toItem(event_id);
      return event_id;
    });
  }

  markRead(room: RoomId, thread: string | undefined, item: string): Promise<void> {
    return refusing(async () => {
      await this.#hooks.onRead(room);
      const event = this.#client.getRoom(room)?.findEventById(item);
      const place = key(room, thread);
      if (event === undefined || event.status !== null || this.#markedRead.get(place) === item) return;
      this.#markedRead.set(place, item);
      try {
        await this.#client.sendReadReceipt(event);
        if (thread === undefined) await this.#client.setRoomReadMarkers(room, item);
      } catch (fault) {
        this.#markedRead.delete(place);
        throw fault;
      }
    });
  }

  react(room: RoomId, item: string, sign: string): Promise<void> {
    return refusing(async () => {
      const mine = ownReaction(this.#room(room), item, sign, this.#client.getSafeUserId());
      if (mine === undefined) await this.#send(room, "m.reaction", { "m.relates_to": { rel_type: "m.annotation", event_id: item, key: sign } });
      else if (mine.status === null) await this.#client.redactEvent(room, mine.getId() ?? "");
    });
  }

  remove(room: RoomId, item: string): Promise<void> {
    return refusing(async () => {
      await this.#client.redactEvent(room, item);
    });
  }

  pin(room: RoomId, item: string, yes: boolean): Promise<void> {
    return refusing(async () => {
      const content = this.#room(room).currentState.getStateEvents("m.room.pinned_events", "")?.getContent();
      const others = list(content?.["pinned"]).filter((id) => typeof id === "string" && id !== item);
      await this.#client.sendStateEvent(room, "m.room.pinned_events" as never, { pinned: yes ? [...others, item] : others } as never);
    });
  }

  forward(from: RoomId, item: string, to: RoomId): Promise<void> {
    return refusing(async () => {
      const event = this.#room(from).findEventById(item);
      if (event === undefined) throw new Refusal("gone", "the message is not known");
      // Whom it named and what it answered stays behind.
      const { [expiresAt]: until, ...rest } = event.getContent();
      const ends = Math.min(number(until) ?? Infinity, expiryOf(this.#room(to), {}) ?? Infinity);
      const content = { ...rest, "m.mentions": {}, ...expiring(ends === Infinity ? undefined : ends) };
      Reflect.deleteProperty(content, "m.relates_to");
      await this.#send(to, event.getType(), content);
    });
  }

  report(room: RoomId, item: string, reason: string): Promise<void> {
    return refusing(async () => {
      await this.#client.reportEvent(room, item, -100, reason);
    });
  }

  vote(room: RoomId, poll: string, answers: readonly string[]): Promise<void> {
    return refusing(async () => {
      const { type, content } = PollResponseEvent.from([...answers], poll).serialize();
      await this.#send(room, type, content as Record<string, unknown>);
    });
  }

  endPoll(room: RoomId, poll: string): Promise<void> {
    return refusing(async () => {
      const { type, content } = PollEndEvent.from(poll, pollOver).serialize();
      await this.#send(room, type, content as Record<string, unknown>);
    });
  }

  setExpiry(room: RoomId, after: number | undefined): Promise<void> {
    return refusing(async () => {
      await this.#client.sendStateEvent(room, expiryType as never, (after === undefined ? {} : { after }) as never);
    });
  }

  here(): Promise<Place | undefined> {
    return whereHere();
  }

  scheduled(): Readable<Schedule> {
    return this.#scheduled.store;
  }

  schedule(room: RoomId, content: TextContent, at: number): Promise<void> {
    return refusing(() => this.#scheduled.add(this.#room(room), content, at));
  }

  refreshScheduled(): Promise<void> {
    return refusing(() => this.#scheduled.refresh());
  }

  cancelScheduled(id: string): Promise<void> {
    return refusing(() => this.#scheduled.cancel(id));
  }

  sendScheduled(id: string): Promise<void> {
    return refusing(() => this.#scheduled.sendNow(id));
  }

  savedReplies(): Readable<readonly SavedReply[]> {
    return this.#replies.store;
  }

  saveReplies(replies: readonly SavedReply[]): Promise<void> {
    return refusing(() => this.#replies.save(replies));
  }

  /** Sends at once or not at all. The SDK sends nothing more in a room that holds a failed event. */
  async #send(room: RoomId, type: string, content: Record<string, unknown>): Promise<void> {
    const txn = this.#client.makeTxnId();
    try {
      await this.#client.sendEvent(room, null, type as never, content as never, txn);
    } catch (fault) {
      const pending: MatrixEvent | undefined = this.#room(room).getEventForTxnId(txn);
      if (pending?.status === EventStatus.NOT_SENT) this.#client.cancelPendingEvent(pending);
      throw fault;
    }
  }

  #room(id: RoomId): Room {
    const room = this.#client.getRoom(id);
    if (room === null) throw new Refusal("gone", "the room is not known");
    return room;
  }

  #feed(id: RoomId, root: string | undefined): TimelineFeed | undefined {
    const place = key(id, root);
    const known = this.#feeds.get(place);
    if (known !== undefined) return known;
    const room = this.#client.getRoom(id);
    if (room?.getMyMembership() !== "join") return undefined;
    const thread = root === undefined ? undefined : (room.getThread(root) ?? room.createThread(root, room.findEventById(root), [], false));
    const onGap = (): void => {
      this.#hooks.onGap(id);
    };
    const feed = new TimelineFeed(this.#client, room, { roles: this.#roles, delivered: this.#delivered, onGap }, thread);
    this.#feeds.set(place, feed);
    return feed;
  }
}

function key(room: RoomId, thread: string | undefined): string {
  return thread === undefined ? room : `${room} ${thread}`;
}
