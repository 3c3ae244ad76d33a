import type { ReactNode } from "react";

import { type Word, useWords } from "../i18n/words.tsx";
import { Store, type Readable } from "../store/Store.ts";
import type { MediaSource, MediaState } from "../store/media.ts";
import type { Person, Presence, RoomSummary } from "../store/model.ts";
import { Avatar, type AvatarProps } from "../ui/Avatar.tsx";
import { PresenceMark } from "../ui/PresenceMark.tsx";
import { useSelected, useSnapshot } from "../ui/useSnapshot.ts";
import styles from "./Face.module.css";
import { useApp } from "./context.ts";

export const presenceWords: Readonly<Record<Presence, Word>> = {
  online: "presence.online",
  away: "presence.away",
  offline: "presence.offline",
};

/** A room's picture or initials; of a direct conversation, those of the other person. */
export function RoomFace({ room, name, size }: { readonly room: Pick<RoomSummary, "id" | "direct" | "picture">; readonly name: string; readonly size?: AvatarProps["size"] }): ReactNode {
  const presence = usePresence(room.direct?.id);
  return (
    <Marked presence={presence}>
      {room.picture === undefined ? (
        <Avatar id={room.direct?.id ?? room.id} name={name} group={room.direct === undefined} size={size ?? "medium"} />
      ) : (
        <Pictured source={room.picture} id={room.id} name={name} group={room.direct === undefined} size={size ?? "medium"} />
      )}
    </Marked>
  );
}

export function PersonFace({ person, size }: { readonly person: Person; readonly size?: AvatarProps["size"] }): ReactNode {
  const presence = usePresence(person.id);
  return (
    <Marked presence={presence}>
      <Avatar id={person.id} name={person.name} size={size ?? "medium"} />
    </Marked>
  );
}

/** Whether somebody is there; undefined while nobody can know. */
export function usePresence(person: string | undefined): Presence | undefined {
  const app = useApp();
  const presence = useSelected(app.presence, (all) => (person === undefined ? undefined : all.get(person)));
  const online = useSelected(app.connection, (connection) => connection === "online");
  return online ? presence : undefined;
}

function Marked({ presence, children }: { readonly presence: Presence | undefined; readonly children: ReactNode }): ReactNode {
  const { t } = useWords();
  return (
    <span className={styles["face"]}>
      {children}
      {presence !== undefined && (
        <span className={styles["mark"]}>
          <PresenceMark presence={presence} label={t(presenceWords[presence])} />
        </span>
      )}
    </span>
  );
}

const nothing: Readable<MediaState> = new Store<MediaState>({ state: "loading" });

function Pictured({ source, ...rest }: AvatarProps & { readonly source: MediaSource }): ReactNode {
  const app = useApp();
  const open = useSelected(app.session, (session) => session.phase === "open");
  const media = useSnapshot(open ? app.homeserver.media(source) : nothing);
  return <Avatar {...rest} picture={media.state === "ready" ? media.url : undefined} />;
}
