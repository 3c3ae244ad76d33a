import { RoomEvent, RoomMemberEvent, RoomStateEvent, type MatrixClient, type Room, type RoomMember } from "matrix-js-sdk";

import type { History, JoinRule, Member, RoomDetails } from "../store/Rooms.ts";
import { Store } from "../store/Store.ts";
import { personIn } from "./events.ts";
import { needsOf } from "./powers.ts";

/** What a room says about itself, made anew when its state changes. */
export class DetailsFeed {
  readonly store: Store<RoomDetails>;
  readonly #client: MatrixClient;
  readonly #room: Room;
  #members: RoomDetails["members"] = "loading";
  #due = false;

  constructor(client: MatrixClient, room: Room) {
    this.#client = client;
    this.#room = room;
    this.store = new Store(this.#compute());
    room.on(RoomStateEvent.Events, this.#touch);
    room.on(RoomEvent.MyMembership, this.#touch);
    const here = (_event: unknown, { roomId }: RoomMember): void => {
      if (roomId === room.roomId) this.#touch();
    };
    client.on(RoomMemberEvent.Membership, here);
    client.on(RoomMemberEvent.Name, here);
    client.on(RoomMemberEvent.PowerLevel, here);
    room.loadMembersIfNeeded().then(
      () => {
        this.#loaded("all");
      },
      () => {
        this.#loaded("failed");
      },
    );
  }

  #loaded(members: RoomDetails["members"]): void {
    this.#members = members;
    this.#touch();
  }

  readonly #touch = (): void => {
    if (this.#due) return;
    this.#due = true;
    setTimeout(() => {
      this.#due = false;
      this.store.set(this.#compute());
    });
  };

  #compute(): RoomDetails {
    const room = this.#room;
    const content = (type: string): Record<string, unknown> => room.currentState.getStateEvents(type as never, "")?.getContent() ?? {};
    const me = room.getMember(this.#client.getSafeUserId());
    const replacement = content("m.room.tombstone")["replacement_room"];
    return {
      room: room.roomId,
      name: text(content("m.room.name")["name"]),
      topic: text(content("m.room.topic")["topic"]),
      joinRule: joinRuleOf(room.getJoinRule()),
      history: historyOf(room.getHistoryVisibility()),
      encrypted: room.hasEncryptionStateEvent(),
      me: me === null ? undefined : this.#member(me),
      people: [...this.#with("join"), ...this.#with("invite")],
      knocking: this.#with("knock"),
      banned: this.#with("ban"),
      needs: needsOf(content("m.room.power_levels")),
      replacement: typeof replacement === "string" && replacement !== "" ? replacement : undefined,
      members: this.#members,
    };
  }

  #with(membership: string): readonly Member[] {
    const members = this.#room.getMembersWithMembership(membership).map((member) => this.#member(member));
    return members.sort((a, b) => (a.level === b.level ? a.person.name.localeCompare(b.person.name) : b.level - a.level));
  }

  #member(member: RoomMember): Member {
    return {
      person: personIn(this.#room, member.userId),
      level: member.powerLevel,
      membership: membershipOf(member.membership),
      reason: text(member.events.member?.getContent()["reason"]),
    };
  }
}

function membershipOf(membership: string | undefined): Member["membership"] {
  switch (membership) {
    case "invite":
      return "invited";
    case "knock":
      return "knocked";
    case "ban":
      return "banned";
    default:
      return "joined";
  }
}

function joinRuleOf(rule: string): JoinRule {
  switch (rule) {
    case "public":
    case "knock":
      return rule;
    case "restricted":
    case "knock_restricted":
      return "restricted";
    default:
      return "invite";
  }
}

function historyOf(visibility: string): History {
  switch (visibility) {
    case "invited":
    case "joined":
      return visibility;
    case "world_readable":
      return "world";
    default:
      return "shared";
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
