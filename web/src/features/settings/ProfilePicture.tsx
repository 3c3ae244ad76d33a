import type { ReactNode } from "react";

import type { MediaSource, Person } from "../../store/model.ts";
import { Avatar } from "../../ui/Avatar.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import styles from "./settings.module.css";

/** One's own picture; the initials until it is there. */
export function ProfilePicture({ source, person }: { readonly source: MediaSource; readonly person: Person | undefined }): ReactNode {
  const { homeserver } = useApp();
  const media = useSnapshot(homeserver.media(source));
  if (media.state === "ready") return <img className={styles["face"]} src={media.url} alt="" />;
  return <Avatar id={person?.id ?? ""} name={person?.name ?? ""} size="large" />;
}
