import { type ReactNode, useEffect, useRef, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Person } from "../../store/model.ts";
import { Button, IconButton } from "../../ui/Button.tsx";
import { useApp } from "../context.ts";
import { MessageView } from "./MessageView.tsx";
import { NoteView } from "./NoteView.tsx";
import { Readers } from "./Readers.tsx";
import type { RoomSnapshot, RoomViewModel } from "./RoomViewModel.ts";
import type { Row, Status } from "./rows.ts";
import styles from "./TimelineView.module.css";

/** How far from the newest message somebody may be and still count as reading it. */
const nearEnd = 80;

/**
 * The conversation. The scroller runs from its end (column-reverse), so that it stays at the newest message by itself
 * and older ones may come in above without anything moving.
 */
export function TimelineView({ now, model }: { readonly now: RoomSnapshot; readonly model: RoomViewModel }): ReactNode {
  const { t } = useWords();
  const scroller = useRef<HTMLDivElement>(null);
  const top = useRef<HTMLDivElement>(null);
  const [away, setAway] = useState(false);
  const [readers, setReaders] = useState<Extract<Status, { kind: "read" }>>();
  const newest = now.rows.at(-1)?.key;

  // Nearing the oldest message loads older ones, again as long as there is room for them.
  const { history } = now;
  useEffect(() => {
    const end = top.current;
    if (end === null || history !== "more") return;
    const watch = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting === true) void model.loadOlder();
      },
      { root: scroller.current, rootMargin: "600px 0px 0px 0px" },
    );
    watch.observe(end);
    return () => {
      watch.disconnect();
    };
  }, [model, history]);

  // What is looked at counts as read.
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

  return (
    <div className={styles["frame"]}>
      <div
        ref={scroller}
        className={styles["scroller"]}
        tabIndex={0}
        role="log"
        aria-label={t("room.timeline")}
        onScroll={(event) => {
          setAway(event.currentTarget.scrollTop < -nearEnd);
        }}
      >
        <div className={styles["column"]}>
          <div ref={top} className={styles["top"]}>
            <Beginning now={now} model={model} />
          </div>
          {now.rows.map((row) => (
            <RowView key={row.key} row={row} direct={now.room?.direct !== undefined} model={model} onReaders={setReaders} />
          ))}
          <Typing people={now.typing} />
        </div>
      </div>
      {away && (
        <span className={styles["newest"]}>
          <IconButton
            icon="arrowDown"
            look="raised"
            label={t("room.newest")}
            onClick={() => {
              scroller.current?.scrollTo({ top: 0 });
            }}
          />
        </span>
      )}
      {readers !== undefined && (
        <Readers
          status={readers}
          onClose={() => {
            setReaders(undefined);
          }}
        />
      )}
    </div>
  );
}

function Beginning({ now, model }: { readonly now: RoomSnapshot; readonly model: RoomViewModel }): ReactNode {
  const { t } = useWords();
  switch (now.history) {
    case "loading":
      return <p role="status">{t("room.loadingOlder")}</p>;
    case "failed":
      return (
        <p role="alert">
          {t("room.olderFailed")}
          <Button look="quiet" onClick={() => void model.loadOlder()}>
            {t("room.olderRetry")}
          </Button>
        </p>
      );
    case "start":
      return <p>{t(now.rows.some((row) => row.kind === "message") ? "room.start" : "room.empty")}</p>;
    case "more":
      return null;
  }
}

interface RowProps {
  readonly row: Row;
  readonly direct: boolean;
  readonly model: RoomViewModel;
  readonly onReaders: (status: Extract<Status, { kind: "read" }>) => void;
}

function RowView({ row, direct, model, onReaders }: RowProps): ReactNode {
  const words = useWords();
  const { now } = useApp();
  switch (row.kind) {
    case "day":
      return (
        <h2 className={styles["day"]}>
          <span>{words.day(row.at, now())}</span>
        </h2>
      );
    case "note":
      return <NoteView note={row.note} />;
    case "message":
      return <MessageView row={row} direct={direct} model={model} onReaders={onReaders} />;
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
