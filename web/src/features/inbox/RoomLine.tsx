import { memo, type MouseEvent, type ReactNode, useState } from "react";
import { flushSync } from "react-dom";

import { roomActions } from "../../actions/rooms.ts";
import { type Word, type Words, useWords } from "../../i18n/words.tsx";
import { isUnread } from "../../store/inbox.ts";
import type { LastLine, Person, RoomSummary } from "../../store/model.ts";
import { Icon } from "../../ui/Icon.tsx";
import { ActionMenu } from "../ActionMenu.tsx";
import { RoomFace } from "../Face.tsx";
import { Link } from "../Link.tsx";
import { useApp } from "../context.ts";
import { priorityWords } from "../priority.ts";
import styles from "./RoomLine.module.css";

export interface RoomLineProps {
  readonly room: RoomSummary;
  readonly open: boolean;
  readonly draft: string | undefined;
  readonly typing: readonly Person[] | undefined;
  /** The one line of the list that the Tab key stops at. */
  readonly stop: boolean;
}

/** A conversation in the list. Its menu is made when somebody comes near, as there may be hundreds of lines. */
export const RoomLine = memo(function RoomLine({ room, open, draft, typing, stop }: RoomLineProps): ReactNode {
  const words = useWords();
  const { now } = useApp();
  const [near, setNear] = useState(false);
  const { t } = words;
  const name = room.name === "" ? t("room.unnamed") : room.name;
  const approach = (): void => {
    setNear(true);
  };
  return (
    <li className={styles["item"]} onPointerEnter={approach} onFocus={approach} onContextMenu={openMenu(setNear)}>
      <Link
        to={{ at: "room", room: room.id }}
        className={styles["line"]}
        aria-current={open ? "page" : undefined}
        data-line={room.id}
        data-unread={isUnread(room)}
        tabIndex={stop ? 0 : -1}
      >
        <RoomFace room={room} name={name} />
        <span className={styles["text"]}>
          <span className={styles["top"]}>
            <span className={styles["name"]} dir="auto">
              {name}
            </span>
            {room.notify === "none" && (
              <span className={styles["muted"]} role="img" aria-label={t("inbox.muted")}>
                <Icon name="bellOff" size={14} />
              </span>
            )}
            {room.at > 0 && <time dateTime={new Date(room.at).toISOString()}>{words.moment(room.at, now())}</time>}
          </span>
          <span className={styles["bottom"]}>
            <Preview room={room} draft={draft} typing={typing} />
            <Counts room={room} />
          </span>
        </span>
      </Link>
      {near && (
        <span className={styles["menu"]}>
          <ActionMenu label={t("inbox.options", { name })} actions={roomActions} target={room} />
        </span>
      )}
    </li>
  );
});

/** A right press or a long one opens the menu of the line instead of the browser's for a link. */
function openMenu(setNear: (near: boolean) => void): (event: MouseEvent<HTMLElement>) => void {
  return (event) => {
    const line = event.currentTarget;
    event.preventDefault();
    flushSync(() => {
      setNear(true);
    });
    line.querySelector<HTMLElement>("[aria-haspopup=menu]")?.click();
  };
}

function Preview({ room, draft, typing = [] }: Pick<RoomLineProps, "room" | "draft" | "typing">): ReactNode {
  const words = useWords();
  const { t } = words;
  if (typing.length > 0) {
    return (
      <span className={styles["last"]} data-live="true" dir="auto">
        {typingText(typing, words)}
      </span>
    );
  }
  if (draft !== undefined) {
    return (
      <span className={styles["last"]}>
        <span className={styles["draft"]}>{t("inbox.draft")}</span> <bdi>{draft === "" ? t("inbox.file") : draft}</bdi>
      </span>
    );
  }
  const priority = "sender" in room.last ? room.last.priority : undefined;
  return (
    <span className={styles["last"]} dir="auto">
      {priority !== undefined && (
        <span className={styles["priority"]} data-priority={priority}>
          {t(priorityWords[priority])}{" "}
        </span>
      )}
      {lastText(room, words)}
    </span>
  );
}

function Counts({ room }: { readonly room: RoomSummary }): ReactNode {
  const { t } = useWords();
  return (
    <>
      {room.mentions > 0 && (
        <span className={styles["mention"]} role="img" aria-label={t("inbox.mentions", { count: room.mentions })}>
          <Icon name="at" size={16} />
        </span>
      )}
      {room.unread > 0 && (
        <span className={styles["count"]} dir="ltr" role="img" aria-label={t("inbox.unread", { count: room.unread })}>
          {room.unread > 99 ? "99+" : room.unread}
        </span>
      )}
      {room.unread === 0 && room.mentions === 0 && room.markedUnread && <span className={styles["dot"]} role="img" aria-label={t("inbox.marked")} />}
    </>
  );
}

function typingText([first, second, ...others]: readonly Person[], { t }: Words): string {
  if (first === undefined) return "";
  if (second === undefined) return t("room.typingOne", { name: first.name });
  return others.length === 0 ? t("room.typingTwo", { name: first.name, other: second.name }) : t("room.typingMany", { count: others.length + 2 });
}

function lastText(room: RoomSummary, { t }: Words): string {
  const { last } = room;
  if (last.kind === "none") return t("inbox.nothingYet");
  if (last.kind === "decrypting") return t("inbox.decrypting");
  const text = last.kind === "text" ? last.text : t(lastWord(last.kind));
  if (last.own) return t("inbox.own", { text });
  return room.direct === undefined ? t("inbox.other", { name: last.sender.name, text }) : text;
}

function lastWord(kind: Exclude<LastLine["kind"], "none" | "decrypting" | "text">): Word {
  switch (kind) {
    case "picture":
      return "inbox.picture";
    case "file":
      return "inbox.file";
    case "video":
      return "inbox.video";
    case "audio":
      return "inbox.audio";
    case "voice":
      return "inbox.voice";
    case "poll":
      return "inbox.poll";
    case "place":
      return "inbox.place";
    case "waiting":
      return "inbox.waiting";
    case "removed":
      return "inbox.removed";
  }
}
