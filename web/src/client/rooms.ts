import { ClientEvent, MatrixEventEvent, RoomEvent, RoomMemberEvent, RoomStateEvent, SyncState, type MatrixClient, type Room } from "matrix-js-sdk";

import type { Store } from "../store/Store.ts";
import type { RoomId, RoomSummary, Space } from "../store/model.ts";
import { directPeople, spaceOf, summaryOf } from "./summary.ts";

/** Account data that says something about every room. */
const aboutAll = new Set(["m.direct", "m.push_rules"]);

/** Keeps the room list in step with the SDK: rooms that changed are summed up again, at most once per turn. */
export class RoomFeed {
  readonly #client: MatrixClient;
  readonly #list: Store<readonly RoomSummary[]>;
  readonly #spaces: Store<readonly Space[]>;
  readonly #known = new Map<RoomId, RoomSummary>();
  readonly #changed = new Set<RoomId>();
  #all = true;
  #due = false;
  /** The first sync is being read, room by room: what was seen last stays on the screen until it is whole. */
  #held = true;

  constructor(client: MatrixClient, list: Store<readonly RoomSummary[]>, spaces: Store<readonly Space[]>) {
    this.#client = client;
    this.#list = list;
    this.#spaces = spaces;
    for (const room of list.snapshot) this.#known.set(room.id, room);
    this.#listen();
  }

  #listen(): void {
    const client = this.#client;
    const room = (room: Room | undefined): void => {
      if (room !== undefined) this.#touch(room.roomId);
    };
    const at = (_event: unknown, at: Room | undefined): void => {
      room(at);
    };
    client.on(ClientEvent.Room, (found) => {
      room(found);
      // The SDK passes this one on to nobody.
      found.on(RoomEvent.UnreadNotifications, () => {
        room(found);
      });
    });
    client.on(ClientEvent.DeleteRoom, (id) => {
      this.#touch(id);
    });
    client.on(RoomEvent.Timeline, at);
    client.on(RoomEvent.Receipt, at);
    client.on(RoomEvent.Redaction, at);
    client.on(RoomEvent.Tags, at);
    client.on(RoomEvent.AccountData, at);
    client.on(RoomEvent.Name, room);
    client.on(RoomEvent.MyMembership, room);
    client.on(RoomStateEvent.Events, (event) => {
      this.#touch(event.getRoomId());
    });
    client.on(RoomMemberEvent.Name, (_event, member) => {
      this.#touch(member.roomId);
    });
    client.on(MatrixEventEvent.Decrypted, (event) => {
      this.#touch(event.getRoomId());
    });
    client.on(ClientEvent.AccountData, (event) => {
      if (aboutAll.has(event.getType())) this.#touchAll();
    });
    client.on(ClientEvent.Sync, (state) => {
      if (state !== SyncState.Prepared) return;
      this.#held = false;
      this.#all = true;
      this.#refresh(); // before the encryption takes the processor for its keys
    });
  }

  #touchAll(): void {
    this.#all = true;
    this.#schedule();
  }

  #touch(room: RoomId | undefined): void {
    if (room === undefined) return;
    this.#changed.add(room);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#due || this.#held) return;
    this.#due = true;
    setTimeout(() => {
      this.#due = false;
      this.#refresh();
    });
  }

  #refresh(): void {
    const direct = directPeople(this.#client);
    const ids = this.#all ? new Set([...this.#client.getRooms().map((room) => room.roomId), ...this.#known.keys()]) : new Set(this.#changed);
    this.#all = false;
    this.#changed.clear();
    let different = false;
    let spaces = false;
    for (const id of ids) {
      const room = this.#client.getRoom(id);
      spaces ||= room?.isSpaceRoom() === true;
      const old = this.#known.get(id);
      const next = room === null ? undefined : summaryOf(room, this.#client, direct.get(id), old);
      if (next === undefined) different = this.#known.delete(id) || different;
      else if (JSON.stringify(next) !== JSON.stringify(old)) {
        this.#known.set(id, next);
        different = true;
      }
    }
    if (different) this.#list.set([...this.#known.values()].sort((a, b) => b.at - a.at));
    if (spaces) this.#spaces.set(this.#joinedSpaces());
  }

  #joinedSpaces(): readonly Space[] {
    const found = this.#client.getRooms().map(spaceOf);
    return found.filter((space) => space !== undefined).sort((a, b) => a.name.localeCompare(b.name));
  }
}
