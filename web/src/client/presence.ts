import { ClientEvent, RoomMemberEvent, SetPresence, UserEvent, type MatrixClient } from "matrix-js-sdk";

import type { Store } from "../store/Store.ts";
import type { Person, Presence, RoomId, UserId } from "../store/model.ts";
import { personIn } from "./events.ts";

const wire = { online: SetPresence.Online, away: SetPresence.Unavailable, offline: SetPresence.Offline } as const;
const name = "myelin.presence";

export interface PeopleStores {
  readonly presence: Store<ReadonlyMap<UserId, Presence>>;
  readonly typing: Store<ReadonlyMap<RoomId, readonly Person[]>>;
  readonly blocked: Store<readonly UserId[]>;
}

/** Keeps in step who is there, who is writing and who is blocked. */
export function followPeople(client: MatrixClient, stores: PeopleStores): void {
  const told = new Map<UserId, Presence>();
  stores.presence.set(new Map([[client.getSafeUserId(), presenceOf(ownPresence() ?? SetPresence.Online)]]));
  let due = false;
  client.on(UserEvent.Presence, (_event, user) => {
    told.set(user.userId, presenceOf(user.presence));
    if (due) return;
    due = true;
    setTimeout(() => {
      due = false;
      stores.presence.update((now) => new Map([...now, ...told]));
      told.clear();
    });
  });
  client.on(RoomMemberEvent.Typing, (_event, { roomId }) => {
    const room = client.getRoom(roomId);
    const members = room?.getJoinedMembers().filter((member) => member.typing && member.userId !== client.getUserId()) ?? [];
    stores.typing.update((now) => {
      const next = new Map(now);
      if (room === null || members.length === 0) next.delete(roomId);
      else {
        next.set(
          roomId,
          members.map((member) => personIn(room, member.userId)),
        );
      }
      return next;
    });
  });
  client.on(ClientEvent.AccountData, (event) => {
    if (event.getType() === "m.ignored_user_list") stores.blocked.set(client.getIgnoredUsers());
  });
}

/** What this device tells of its person; every /sync repeats it, or the server would take them for online. */
export function ownPresence(): SetPresence | undefined {
  const kept = localStorage.getItem(name);
  return kept === "away" || kept === "offline" ? wire[kept] : undefined;
}

export async function setOwnPresence(client: MatrixClient, presence: Presence, store: PeopleStores["presence"]): Promise<void> {
  await client.setSyncPresence(wire[presence]);
  await client.setPresence({ presence: wire[presence] });
  localStorage.setItem(name, presence);
  store.update((now) => new Map(now).set(client.getSafeUserId(), presence)); // the server tells others only
}

export function forgetPresence(): void {
  localStorage.removeItem(name);
}

function presenceOf(said: string): Presence {
  if (said === "online") return "online";
  return said === "unavailable" ? "away" : "offline";
}
