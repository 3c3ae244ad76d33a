import { type ReactNode, useEffect, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Person } from "../../store/model.ts";
import { Button, IconButton } from "../../ui/Button.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import { Announcer } from "./Announcer.tsx";
import type { Desk } from "./Desk.ts";
import { GoToDate } from "./GoToDate.tsx";
import { MessageView } from "./MessageView.tsx";
import { NotesView } from "./NoteView.tsx";
import { Readers } from "./Readers.tsx";
import type { Row, Status } from "./rows.ts";
import type { TimelineSnapshot, TimelineViewModel } from "./TimelineViewModel.ts";
import styles from "./TimelineView.module.css";
import { useMessageKeys } from "./useMessageKeys.ts";
import { useScroll } from "./useScroll.ts";

export interface TimelineProps {
  readonly desk: Desk;
  /** Between two people nobody needs to be named. */
  readonly direct: boolean;
  readonly label: string;
}

/** The conversation, with the ways to other places in it. */
export function TimelineView({ desk, direct, label }: TimelineProps): ReactNode {
  const { t } = useWords();
  const model = desk.timeline;
  const now = useSnapshot(model);
  useEffect(() => {
    model.enter();
  }, [model]);
  const { scroller, top, bottom, away, unreadSeen, onScroll, toEnd } = useScroll(now, model);
  const [readers, setReaders] = useState<Extract<Status, { kind: "read" }>>();
  const [date, setDate] = useState(false);
  useReading(model, away, now.rows.at(-1)?.key);
  useExpiry(model, now);
  const { behind, unread } = now;
  const keys = useMessageKeys(desk);
  return (
    <div className={styles["frame"]}>
      <div ref={scroller} className={styles["scroller"]} tabIndex={0} role="log" aria-live="off" aria-label={label} onScroll={onScroll} onKeyDown={keys}>
        <div className={styles["column"]}>
          <div ref={top} className={styles["top"]}>
            <Beginning now={now} model={model} />
          </div>
          {now.rows.map((row) => (
            <div key={row.key} data-row={row.key} data-target={now.target?.mark === true && now.target.key === row.key}>
              <RowView row={row} direct={direct} desk={desk} me={now.me?.id} onReaders={setReaders} onDate={setDate} />
            </div>
          ))}
          <div ref={bottom} className={styles["bottom"]}>
            {now.newer === "failed" && <NotLoaded what="room.newerFailed" again={model.loadNewer} />}
          </div>
          <Typing people={now.typing} />
        </div>
      </div>
      {unread !== undefined && !unreadSeen && (
        <span className={styles["unreadAbove"]}>
          <Button icon="arrowUp" onClick={() => void model.toUnread()}>
            {t("room.unreadAbove", { count: unread.count })}
          </Button>
        </span>
      )}
      {away && (
        <span className={styles["newest"]}>
          {behind > 0 && <span className={styles["behind"]}>{behind > 99 ? "99+" : behind}</span>}
          <IconButton icon="arrowDown" look="raised" label={behind > 0 ? t("room.newestBehind", { count: behind }) : t("room.newest")} onClick={toEnd} />
        </span>
      )}
      {now.jump === "failed" && (
        <p className={styles["jump"]} role="alert">
          {t("room.jumpFailed")}
        </p>
      )}
      <Announcer rows={now.rows} live={now.newer === "live"} />
      {readers !== undefined && (
        <Readers
          status={readers}
          onClose={() => {
            setReaders(undefined);
          }}
        />
      )}
      {date && (
        <GoToDate
          onGo={(at) => void model.toTime(at)}
          onClose={() => {
            setDate(false);
          }}
        />
      )}
    </div>
  );
}

/** What is looked at counts as read. */
function useReading(model: TimelineViewModel, away: boolean, newest: string | undefined): void {
  useEffect(() => {
    const look = (): void => {
      if (!away && document.visibilityState === "visible" && document.hasFocus()) model.seen();
    };
    look();
    addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, [model, away, newest]);
}

/** Messages that vanish do so on time. */
function useExpiry(model: TimelineViewModel, now: TimelineSnapshot): void {
  const app = useApp();
  const { rows } = now;
  useEffect(() => {
    const next = model.nextExpiry;
    if (next === undefined) return;
    const longest = 2 ** 31 - 1; // as far as a timer goes
    const timer = setTimeout(model.tick, Math.min(Math.max(0, next - app.now()) + 1, longest));
    return () => {
      clearTimeout(timer);
    };
  }, [app, model, rows]);
}

function Beginning({ now, model }: { readonly now: TimelineSnapshot; readonly model: TimelineViewModel }): ReactNode {
  const { t } = useWords();
  switch (now.history) {
    case "loading":
      return <p role="status">{t("room.loadingOlder")}</p>;
    case "failed":
      return <NotLoaded what="room.olderFailed" again={model.loadOlder} />;
    case "start":
      if (model.thread !== undefined) return null;
      return <p>{t(now.rows.some((row) => row.kind === "message") ? "room.start" : "room.empty")}</p>;
    case "more":
      return null;
  }
}

/** Part of the conversation could not be loaded: asked for again by the person, or once the server is back. */
function NotLoaded({ what, again }: { readonly what: "room.olderFailed" | "room.newerFailed"; readonly again: () => Promise<void> }): ReactNode {
  const { t } = useWords();
  return (
    <p role="alert">
      {t(what)}
      <Button look="quiet" onClick={() => void again()}>
        {t("room.olderRetry")}
      </Button>
    </p>
  );
}

interface RowProps {
  readonly row: Row;
  readonly direct: boolean;
  readonly desk: Desk;
  readonly me: string | undefined;
  readonly onReaders: (status: Extract<Status, { kind: "read" }>) => void;
  readonly onDate: (open: boolean) => void;
}

function RowView({ row, direct, desk, me, onReaders, onDate }: RowProps): ReactNode {
  const words = useWords();
  const { now } = useApp();
  switch (row.kind) {
    case "day":
      return (
        <h2 className={styles["day"]}>
          {desk.thread === undefined ? (
            <button
              type="button"
              title={words.t("room.goToDate")}
              onClick={() => {
                onDate(true);
              }}
            >
              {words.day(row.at, now())}
            </button>
          ) : (
            <span>{words.day(row.at, now())}</span>
          )}
        </h2>
      );
    case "unread":
      return (
        <h2 className={styles["unread"]}>
          <span>{words.t("room.unread", { count: row.count })}</span>
        </h2>
      );
    case "notes":
      return <NotesView notes={row.notes} />;
    case "message":
      return <MessageView row={row} direct={direct} desk={desk} me={me} onReaders={onReaders} />;
  }
}

function Typing({ people }: { readonly people: readonly Person[] }): ReactNode {
  const { t } = useWords();
  const [first, second, ...more] = people;
  let text = "";
  if (first !== undefined) {
    if (second === undefined) text = t("room.typingOne", { name: first.name });
    else if (more.length === 0) text = t("room.typingTwo", { name: first.name, other: second.name });
    else text = t("room.typingMany", { count: people.length });
  }
  return (
    <p className={styles["typing"]} aria-live="off">
      {text !== "" && (
        <span className={styles["dots"]} aria-hidden="true">
          <span />
          <span />
          <span />
        </span>
      )}
      {text}
    </p>
  );
}
