import { EventTimeline, MatrixEventEvent, RoomEvent, RoomMemberEvent, type MatrixClient, type MatrixEvent, type Room, type RoomMember } from "matrix-js-sdk";

import { Store } from "../store/Store.ts";
import type { Person, ReadMark, Timeline, TimelineItem } from "../store/model.ts";
import { itemOf, personIn } from "./events.ts";

const pageSize = 40;

/** One room's timeline as the app shows it, made anew when the SDK's changes. The SDK keeps the events. */
export class TimelineFeed {
  readonly store: Store<Timeline>;
  readonly #client: MatrixClient;
  readonly #room: Room;
  readonly #me: string;
  readonly #onGap: () => void;
  readonly #items = new WeakMap<MatrixEvent, { key: string; item: TimelineItem | undefined }>();
  #history: Timeline["history"] = "more";
  #due = false;

  /** `onGap` is told when the SDK threw the timeline away because too much had happened meanwhile. */
  constructor(client: MatrixClient, room: Room, onGap: () => void) {
    this.#client = client;
    this.#room = room;
    this.#me = client.getSafeUserId();
    this.#onGap = onGap;
    this.store = new Store(this.#compute());
    this.#listen();
    void room.loadMembersIfNeeded().then(this.#touch, this.#touch);
  }

  async loadOlder(): Promise<void> {
    if (this.#history === "loading" || this.#history === "start") return;
    this.#history = "loading";
    this.#touch();
    try {
      await this.#client.scrollback(this.#room, pageSize);
      this.#history = "more";
    } catch {
      this.#history = "failed";
    }
    this.#touch();
  }

  #listen(): void {
    const { roomId } = this.#room;
    const here = (event: MatrixEvent): void => {
      if (event.getRoomId() === roomId) this.#touch();
    };
    this.#room.on(RoomEvent.Timeline, this.#touch);
    this.#room.on(RoomEvent.LocalEchoUpdated, this.#touch);
    this.#room.on(RoomEvent.Receipt, this.#touch);
    this.#room.on(RoomEvent.Redaction, this.#touch);
    this.#room.on(RoomEvent.TimelineReset, () => {
      this.#onGap();
      this.#history = "more";
      this.#touch();
    });
    this.#client.on(MatrixEventEvent.Decrypted, here);
    this.#client.on(MatrixEventEvent.Replaced, here);
    const member = (_event: MatrixEvent, who: RoomMember): void => {
      if (who.roomId === roomId) this.#touch(); // a typing event itself does not name its room
    };
    this.#client.on(RoomMemberEvent.Typing, member);
    this.#client.on(RoomMemberEvent.Membership, member);
    this.#client.on(RoomMemberEvent.Name, member);
  }

  readonly #touch = (): void => {
    if (this.#due) return;
    this.#due = true;
    setTimeout(() => {
      this.#due = false;
      this.store.set(this.#compute());
    });
  };

  #compute(): Timeline {
    const room = this.#room;
    const events = room.getLiveTimeline().getEvents();
    const items: TimelineItem[] = [];
    // For each event the item it is part of or comes after, so that a receipt for a reaction still counts.
    const itemAt: (string | undefined)[] = [];
    for (const event of events) {
      // By itself the SDK decrypts only what came after the read receipt.
      if (event.shouldAttemptDecryption()) void this.#client.decryptEventIfNeeded(event);
      const item = this.#item(event);
      if (item !== undefined) items.push(item);
      itemAt.push(items.at(-1)?.id);
    }
    const others = room.getJoinedMembers().filter((member) => member.userId !== this.#me);
    const atStart = room.getLiveTimeline().getPaginationToken(EventTimeline.BACKWARDS) === null;
    return {
      room: room.roomId,
      items,
      marks: this.#marks(others.map((member) => personIn(room, member.userId)), events, itemAt),
      typing: others.filter((member) => member.typing).map((member) => personIn(room, member.userId)),
      others: others.map((member) => personIn(room, member.userId)).sort((a, b) => a.name.localeCompare(b.name)),
      history: this.#history === "more" && atStart && events.length > 0 ? "start" : this.#history,
    };
  }

  /** The item of an event, the same object as long as nothing about the event changed. */
  #item(event: MatrixEvent): TimelineItem | undefined {
    const key = [
      event.getId(),
      event.getType(),
      event.isDecryptionFailure(),
      event.isBeingDecrypted(),
      event.isRedacted(),
      event.replacingEventId() ?? "",
      this.#room.getMember(event.getSender() ?? "")?.rawDisplayName ?? "",
      this.#room.getMember(event.getStateKey() ?? "")?.rawDisplayName ?? "",
    ].join("|");
    const known = this.#items.get(event);
    if (known?.key === key) return known.item;
    const item = itemOf(event, this.#room, this.#me);
    this.#items.set(event, { key, item });
    return item;
  }

  #marks(people: readonly Person[], events: readonly MatrixEvent[], itemAt: readonly (string | undefined)[]): ReadMark[] {
    const index = new Map(events.map((event, i) => [event.getId(), i]));
    const marks: ReadMark[] = [];
    for (const person of people) {
      const event = this.#room.getEventReadUpTo(person.id);
      const at = event === null ? undefined : index.get(event);
      const item = at === undefined ? undefined : itemAt[at];
      if (item === undefined) continue;
      marks.push({ person, item, at: this.#room.getReadReceiptForUserId(person.id)?.data.ts ?? 0 });
    }
    return marks;
  }
}
