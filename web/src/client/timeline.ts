import {
  ClientEvent,
  EventTimeline,
  MatrixEventEvent,
  NotificationCountType,
  PollEvent,
  RoomEvent,
  RoomMemberEvent,
  RoomStateEvent,
  SyncState,
  ThreadEvent,
  TimelineWindow,
  type EventTimelineSet,
  type MatrixClient,
  type MatrixEvent,
  type Poll,
  type Room,
  type RoomMember,
  type Thread,
} from "matrix-js-sdk";

import { Store } from "../store/Store.ts";
import type { Powers } from "../store/conversation.ts";
import type { MessageItem, Person, Pinned, ReadMark, Timeline, TimelineItem } from "../store/model.ts";
import type { DeliveredMarks } from "./delivered.ts";
import { bodyOf, expiryType, itemOf, personIn } from "./events.ts";
import { expiryAfter } from "./expiry.ts";
import type { HospitalRoles } from "./hospitalRoles.ts";
import { list } from "./json.ts";
import { pollOf, quoteOf, reactionsOf, replyOf, threadOf } from "./relations.ts";

const pageSize = 40;
/** How many events the app looks at once, however long the conversation is. */
const windowSize = 300;
/** While much happens the timeline is drawn at most this often. */
const drawEvery = 80;

/** What a timeline is made of besides the SDK's own. */
export interface TimelineParts {
  readonly roles: HospitalRoles;
  readonly delivered: DeliveredMarks;
  /** The SDK threw the timeline away because too much had happened meanwhile. */
  readonly onGap: () => void;
}

/**
 * The part of one room's timeline, or of one thread's, that the app shows, made anew when the SDK's changes. The SDK
 * keeps the events; this moves a window of bounded size over them.
 */
export class TimelineFeed {
  readonly store: Store<Timeline>;
  readonly #client: MatrixClient;
  readonly #room: Room;
  readonly #thread: Thread | undefined;
  readonly #set: EventTimelineSet;
  readonly #me: string;
  readonly #parts: TimelineParts;
  readonly #items = new Map<string, { json: string; item: TimelineItem }>();
  readonly #polls = new WeakMap<Poll, readonly MatrixEvent[]>();
  /** Messages that are answered or pinned and not in any timeline yet. */
  readonly #fetched = new Map<string, MatrixEvent | undefined>();
  readonly #window: TimelineWindow;
  #history: Timeline["history"] = "more";
  #newer: "idle" | "loading" | "failed" = "idle";
  #following = true;
  #behind = 0;
  /** The last event read and how much was unread when the room was opened. */
  #mark: { readonly event: string | null; readonly count: number } | undefined;
  #due = false;
  #drawn = 0;

  constructor(client: MatrixClient, room: Room, parts: TimelineParts, thread?: Thread) {
    this.#client = client;
    this.#room = room;
    this.#thread = thread;
    this.#set = thread?.timelineSet ?? room.getUnfilteredTimelineSet();
    this.#me = client.getSafeUserId();
    this.#parts = parts;
    this.#window = new TimelineWindow(client, this.#set, { windowLimit: windowSize });
    this.#reset();
    this.store = new Store(this.#compute());
    this.#listen();
    void room.loadMembersIfNeeded().then(this.#touch, this.#touch);
  }

  /** Somebody opens it: at the newest message, with what is unread marked. */
  enter(): void {
    const reader = this.#thread ?? this.#room;
    const count = this.#thread === undefined ? this.#room.getRoomUnreadNotificationCount(NotificationCountType.Total) : 0;
    this.#mark = count > 0 ? { event: reader.getEventReadUpTo(this.#me), count } : undefined;
    this.#following = true;
    this.#reset();
    this.#now();
  }

  toNewest(): void {
    this.#following = true;
    this.#behind = 0;
    if (!this.#live()) this.#reset();
    this.#now();
  }

  async toItem(item: string): Promise<void> {
    const there = this.#window.getEvents().some((event) => event.getId() === item);
    if (!there) {
      await this.#window.load(item, pageSize);
      this.#history = "more";
      this.#newer = "idle";
      this.#following = false;
    }
    this.#now();
  }

  async toUnread(): Promise<void> {
    if (this.#mark?.event !== undefined && this.#mark.event !== null) await this.toItem(this.#mark.event);
  }

  follow(yes: boolean): void {
    if (this.#following === yes) return;
    this.#following = yes;
    if (!yes) return;
    this.#behind = 0;
    this.#extend();
    this.#touch();
  }

  async loadOlder(): Promise<void> {
    if (this.#history === "loading" || this.#history === "start") return;
    this.#history = "loading";
    this.#touch();
    try {
      await this.#window.paginate(EventTimeline.BACKWARDS, pageSize);
      this.#history = "more";
    } catch {
      this.#history = "failed";
    }
    this.#touch();
  }

  async loadNewer(): Promise<void> {
    if (this.#newer === "loading" || this.store.snapshot.newer === "live") return;
    this.#newer = "loading";
    this.#touch();
    try {
      await this.#window.paginate(EventTimeline.FORWARDS, pageSize);
      this.#newer = "idle";
    } catch {
      this.#newer = "failed";
    }
    this.#touch();
  }

  /** The server is there again: what could not be loaded is loaded as soon as somebody comes near it. */
  readonly #back = (state: SyncState, before: SyncState | null): void => {
    if (state !== SyncState.Syncing || before === SyncState.Syncing) return;
    if (this.#history === "failed") this.#history = "more";
    if (this.#newer === "failed") this.#newer = "idle";
    this.#touch();
  };

  #reset(): void {
    void this.#window.load(undefined, pageSize); // at once: the live timeline is there
    this.#history = "more";
    this.#newer = "idle";
    this.#behind = 0;
  }

  /** Takes in what has arrived at the end of the timeline that the window is at. */
  #extend(): void {
    while (this.#window.extend(EventTimeline.FORWARDS, pageSize));
  }

  /** Does the window reach the newest event that is known? */
  #live(): boolean {
    const end = this.#window.getTimelineIndex(EventTimeline.FORWARDS);
    return end === null || (end.timeline === this.#set.getLiveTimeline() && end.index >= end.maxIndex());
  }

  #listen(): void {
    const { roomId } = this.#room;
    const here = (event: MatrixEvent): void => {
      if (event.getRoomId() === roomId) this.#touch();
    };
    this.#set.on(RoomEvent.Timeline, (event, _room, toStart, _removed, data) => {
      if (data.liveEvent === true && toStart !== true) this.#arrived(event);
      this.#touch();
    });
    this.#set.on(RoomEvent.TimelineReset, () => {
      if (this.#thread === undefined) this.#parts.onGap();
      if (this.#following) this.#reset();
      this.#touch();
    });
    this.#room.on(RoomEvent.LocalEchoUpdated, this.#touch);
    this.#room.on(RoomEvent.Receipt, this.#touch);
    this.#room.on(RoomEvent.Redaction, this.#touch);
    this.#room.on(RoomEvent.UnreadNotifications, this.#touch);
    this.#room.on(ThreadEvent.New, this.#touch);
    this.#room.on(ThreadEvent.Update, this.#touch);
    this.#room.on(ThreadEvent.NewReply, this.#touch);
    this.#room.currentState.on(RoomStateEvent.Events, (event) => {
      if (event.getType() === "m.room.pinned_events" || event.getType() === "m.room.power_levels" || event.getType() === expiryType) this.#touch();
    });
    this.#client.on(ClientEvent.Sync, this.#back);
    this.#client.on(MatrixEventEvent.Decrypted, here);
    this.#client.on(MatrixEventEvent.Replaced, here);
    const member = (_event: MatrixEvent, who: RoomMember): void => {
      if (who.roomId === roomId) this.#touch(); // a typing event itself does not name its room
    };
    this.#client.on(RoomMemberEvent.Typing, member);
    this.#client.on(RoomMemberEvent.Membership, member);
    this.#client.on(RoomMemberEvent.Name, member);
    this.#parts.roles.store.subscribe(this.#touch);
    this.#parts.delivered.onChange((room) => {
      if (room === roomId) this.#touch();
    });
  }

  #arrived(event: MatrixEvent): void {
    if (this.#following) this.#extend();
    else if (event.getSender() !== this.#me && !event.isState() && !event.isRelation()) this.#behind++;
  }

  readonly #touch = (): void => {
    if (this.#due) return;
    this.#due = true;
    setTimeout(() => {
      this.#due = false;
      this.#now();
    }, Math.max(0, this.#drawn + drawEvery - performance.now()));
  };

  #now(): void {
    this.#drawn = performance.now();
    this.store.set(this.#compute());
  }

  #compute(): Timeline {
    const room = this.#room;
    if (this.#following) this.#extend();
    const events = this.#window.getEvents();
    const items: TimelineItem[] = [];
    // For each event the item it is part of or comes after, so that a receipt for a reaction still counts.
    const itemAt: (string | undefined)[] = [];
    const add = (event: MatrixEvent): void => {
      // By itself the SDK decrypts only what came after the read receipt.
      if (event.shouldAttemptDecryption()) void this.#client.decryptEventIfNeeded(event);
      const item = this.#item(event);
      if (item !== undefined) items.push(item);
    };
    const root = this.#thread?.rootEvent;
    if (root !== undefined) add(root);
    for (const event of events) {
      if (event !== root && event.getId() !== this.#thread?.id) add(event);
      itemAt.push(items.at(-1)?.id);
    }
    if (this.#items.size > 4 * windowSize) this.#forgetItems(items);
    const members = room.getJoinedMembers().filter((member) => member.userId !== this.#me);
    const others = members.map((member) => personIn(room, member.userId)).sort((a, b) => a.name.localeCompare(b.name));
    const atStart = !this.#window.canPaginate(EventTimeline.BACKWARDS) && (this.#thread?.initialEventsFetched ?? true);
    return {
      room: room.roomId,
      items,
      marks: this.#marks(others, events, itemAt),
      delivered: this.#delivered(others, events, itemAt),
      typing: this.#thread === undefined ? members.filter((member) => member.typing).map((member) => personIn(room, member.userId)) : [],
      others: others.length === 1 ? others.map((person) => this.#parts.roles.withRole(person)) : others,
      history: this.#history === "more" && atStart && events.length > 0 ? "start" : this.#history,
      newer: this.#live() ? "live" : this.#newer === "idle" ? "more" : this.#newer,
      behind: this.#behind,
      unread: this.#unread(events, items),
      pinned: this.#thread === undefined ? this.#pinned() : [],
      powers: this.#powers(),
      expiry: expiryAfter(room),
    };
  }

  /** The item of an event, the same object as long as nothing about it changed. */
  #item(event: MatrixEvent): TimelineItem | undefined {
    const plain = itemOf(event, this.#room, this.#me);
    if (plain === undefined) return undefined;
    const item = plain.kind === "message" ? this.#whole({ ...plain, sender: this.#parts.roles.withRole(plain.sender) }, event) : plain;
    const json = JSON.stringify(item);
    const known = this.#items.get(item.id);
    if (known?.json === json) return known.item;
    this.#items.set(item.id, { json, item });
    return item;
  }

  #forgetItems(shown: readonly TimelineItem[]): void {
    const keep = new Set(shown.map((item) => item.id));
    for (const id of this.#items.keys()) if (!keep.has(id)) this.#items.delete(id);
  }

  #whole(item: MessageItem, event: MatrixEvent): MessageItem {
    const room = this.#room;
    if (item.body.kind === "removed") return item;
    const answered = replyOf(event);
    const reactions = reactionsOf(event, room, this.#me);
    const thread = this.#thread === undefined ? threadOf(event, room) : undefined;
    return {
      ...item,
      body: item.body.kind === "poll" ? { kind: "poll", poll: this.#poll(event) } : item.body,
      ...(answered === undefined ? {} : { reply: quoteOf(answered, this.#find(answered), room) }),
      ...(reactions.length === 0 ? {} : { reactions }),
      ...(thread === undefined ? {} : { thread }),
    };
  }

  #poll(event: MatrixEvent): ReturnType<typeof pollOf> {
    const poll = this.#room.polls.get(event.getId() ?? "");
    if (poll !== undefined && !this.#polls.has(poll)) {
      this.#polls.set(poll, []);
      poll.on(PollEvent.End, this.#touch);
      poll.on(PollEvent.Responses, (responses) => {
        this.#polls.set(poll, responses.getRelations());
        this.#touch();
      });
      poll.getResponses().catch(() => {
        this.#polls.delete(poll); // asked again with the next change
      });
    }
    return pollOf(event, this.#room, this.#me, poll, poll === undefined ? [] : (this.#polls.get(poll) ?? []));
  }

  /** An event by id; one that no timeline holds is asked for once. */
  #find(id: string): MatrixEvent | undefined {
    const event = this.#room.findEventById(id) ?? this.#fetched.get(id);
    if (event === undefined && !this.#fetched.has(id)) {
      this.#fetched.set(id, undefined);
      void this.#fetch(id);
    }
    if (event?.shouldAttemptDecryption() === true) void this.#client.decryptEventIfNeeded(event);
    return event;
  }

  async #fetch(id: string): Promise<void> {
    try {
      const event = this.#client.getEventMapper()(await this.#client.fetchRoomEvent(this.#room.roomId, id));
      await this.#client.decryptEventIfNeeded(event);
      this.#fetched.set(id, event);
      this.#touch();
    } catch {
      // It stays unknown: not there any more, or not for us.
    }
  }

  #unread(events: readonly MatrixEvent[], items: readonly TimelineItem[]): Timeline["unread"] {
    const mark = this.#mark;
    if (mark === undefined) return undefined;
    const at = events.findIndex((event) => event.getId() === mark.event);
    if (at === -1) return { from: undefined, count: mark.count };
    const after = new Set(events.slice(at + 1).map((event) => event.getId()));
    const first = items.find((item) => item.kind === "message" && !item.own && after.has(item.id));
    return first === undefined ? undefined : { from: first.id, count: mark.count };
  }

  #pinned(): Pinned[] {
    const content = this.#room.currentState.getStateEvents("m.room.pinned_events", "")?.getContent();
    const ids = list(content?.["pinned"]).filter((id) => typeof id === "string");
    return ids.flatMap((item) => {
      const event = this.#find(item);
      if (event?.isRedacted() === true) return [];
      const sender = event?.getSender();
      return [{ item, sender: sender === undefined ? undefined : personIn(this.#room, sender), body: event === undefined ? undefined : bodyOf(event) }];
    });
  }

  #powers(): Powers {
    const state = this.#room.currentState;
    const level = this.#room.getMember(this.#me)?.powerLevel ?? 0;
    return {
      pin: state.maySendStateEvent("m.room.pinned_events", this.#me),
      remove: state.hasSufficientPowerLevelFor("redact", level),
      expiry: state.maySendStateEvent(expiryType, this.#me),
      mentionRoom: state.mayTriggerNotifOfType("room", this.#me),
    };
  }

  #marks(people: readonly Person[], events: readonly MatrixEvent[], itemAt: readonly (string | undefined)[]): ReadMark[] {
    const reader = this.#thread ?? this.#room;
    const index = new Map(events.map((event, i) => [event.getId(), i]));
    const end = events.at(-1)?.getTs() ?? 0;
    const marks: ReadMark[] = [];
    for (const person of people) {
      const event = reader.getEventReadUpTo(person.id);
      if (event === null) continue;
      // Somebody who has read on below what is shown has read all of it.
      const below = (): number | undefined => ((this.#room.findEventById(event)?.getTs() ?? 0) > end ? events.length - 1 : undefined);
      const at = index.get(event) ?? below();
      const item = at === undefined ? undefined : itemAt[at];
      if (item === undefined) continue;
      marks.push({ person, item, at: reader.getReadReceiptForUserId(person.id)?.data.ts ?? 0 });
    }
    return marks;
  }

  #delivered(people: readonly Person[], events: readonly MatrixEvent[], itemAt: readonly (string | undefined)[]): ReadMark[] {
    const marks = this.#parts.delivered.in(this.#room.roomId);
    return people.flatMap((person): ReadMark[] => {
      const mark = marks.get(person.id);
      if (mark === undefined) return [];
      // It may be in a thread, or below. Of one that is not known nothing is said: when it came says nothing about the others.
      const until = this.#room.findEventById(mark.event)?.getTs() ?? 0;
      const item = itemAt[events.findLastIndex((event) => event.getId() === mark.event || event.getTs() <= until)];
      return item === undefined ? [] : [{ person, item, at: mark.at }];
    });
  }
}
