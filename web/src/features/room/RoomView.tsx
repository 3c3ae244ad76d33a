import { type ReactNode, useEffect } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Button, IconButton } from "../../ui/Button.tsx";
import { Empty } from "../../ui/Empty.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { Skeleton } from "../../ui/Skeleton.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { presenceWords, RoomFace, usePresence } from "../Face.tsx";
import { useApp, useViewModel } from "../context.ts";
import { PaneView } from "../pane/PaneView.tsx";
import { RoomNotices } from "../pane/RoomNotices.tsx";
import { Composer } from "./Composer.tsx";
import { PinnedBar } from "./PinnedBar.tsx";
import { Questions } from "./Questions.tsx";
import styles from "./RoomView.module.css";
import { RoomViewModel, type RoomSnapshot } from "./RoomViewModel.ts";
import { SearchPanel } from "../search/SearchPanel.tsx";
import { ThreadPanel } from "./ThreadPanel.tsx";
import { ThreadsList } from "./ThreadsList.tsx";
import { TimelineView } from "./TimelineView.tsx";

export function RoomView({ room }: { readonly room: string }): ReactNode {
  const { t } = useWords();
  const { route } = useApp();
  const [model, now] = useViewModel((app) => new RoomViewModel(app, room));
  const place = useSnapshot(route);
  const pane = now.state === "open" && place.at === "room" && place.pane !== undefined;
  const beside = now.state === "open" && place.at === "room" && (place.thread !== undefined || place.side !== undefined);
  if (now.state === "gone") {
    return (
      <Empty whole title={t("room.gone")} text={t("room.goneText")}>
        <Button
          onClick={() => {
            route.go({ at: "inbox" });
          }}
        >
          {t("room.goneBack")}
        </Button>
      </Empty>
    );
  }
  return (
    <section className={styles["room"]} data-pane={beside && place.item !== undefined ? "found" : pane || beside}>
      <Header now={now} pane={pane} />
      <div className={styles["notices"]}>{now.state === "open" && <RoomNotices room={room} />}</div>
      <div className={styles["body"]}>{now.state === "invited" ? <Invited now={now} model={model} /> : <Conversation now={now} model={model} />}</div>
      {pane && <PaneView room={room} />}
      {beside && <Beside now={now} />}
    </section>
  );
}

interface Parts {
  readonly now: RoomSnapshot;
  readonly model: RoomViewModel;
}

function Header({ now, pane }: { readonly now: RoomSnapshot; readonly pane: boolean }): ReactNode {
  const { t } = useWords();
  const { route } = useApp();
  const { room } = now;
  const presence = usePresence(room?.direct?.id);
  const role = room?.direct === undefined ? undefined : now.others.find((person) => person.id === room.direct?.id)?.role;
  const name = room === undefined || room.name === "" ? t("room.unnamed") : room.name;
  return (
    <header className={styles["head"]}>
      <span className={styles["back"]}>
        <IconButton
          icon="back"
          label={t("room.back")}
          onClick={() => {
            route.go({ at: "inbox" });
          }}
        />
      </span>
      {room !== undefined && (
        <span className={styles["face"]}>
          <RoomFace room={room} name={name} />
        </span>
      )}
      <div className={styles["title"]}>
        <h1 dir="auto">{name}</h1>
        {room !== undefined && (
          <p className={room.encrypted ? styles["sealed"] : styles["open"]}>
            <Icon name={room.encrypted ? "lock" : "unlock"} size={14} />
            <span className={styles["word"]}>{t(room.encrypted ? "room.encrypted" : "room.open")}</span>
            {room.direct === undefined && <span className={styles["members"]}>{t("room.people", { count: room.members })}</span>}
            {role !== undefined && <bdi className={styles["role"]}>{role}</bdi>}
            {presence !== undefined && <span className={styles["members"]}>{t(presenceWords[presence])}</span>}
          </p>
        )}
      </div>
      {now.state === "open" && room !== undefined && <RoomSearch room={room.id} />}
      {now.state === "open" && room !== undefined && (
        <IconButton
          icon="thread"
          label={t("room.threads")}
          onClick={() => {
            route.go({ at: "room", room: room.id, side: "threads" });
          }}
        />
      )}
      {now.state === "open" && room !== undefined && (
        <IconButton
          icon="info"
          label={t("room.details")}
          aria-expanded={pane}
          onClick={() => {
            route.go(pane ? { at: "room", room: room.id } : { at: "room", room: room.id, pane: "about" });
          }}
        />
      )}
    </header>
  );
}

function RoomSearch({ room }: { readonly room: string }): ReactNode {
  const { t } = useWords();
  const { route, wish } = useApp();
  return (
    <IconButton
      icon="search"
      label={t("action.searchRoom")}
      onClick={() => {
        wish.update((now) => ({ ...now, everywhere: false, asked: now.asked + 1 }));
        route.go({ at: "room", room, side: "search" });
      }}
    />
  );
}

function Conversation({ now, model }: Parts): ReactNode {
  const { t } = useWords();
  const { route } = useApp();
  const place = useSnapshot(route);
  const item = place.at === "room" ? place.item : undefined;
  const { desk } = model;
  const open = now.state === "open";
  useEffect(() => {
    if (item !== undefined && open) void desk.toItem(item);
  }, [desk, item, open]);
  if (!open) return <Skeleton rows={6} label={t("gate.opening")} />;
  return (
    <>
      <PinnedBar desk={desk} />
      <TimelineView desk={desk} direct={now.room?.direct !== undefined} label={t("room.timeline")} />
      <Composer desk={desk} focus={item === undefined} />
      <Questions desk={desk} />
    </>
  );
}

/** A thread, the list of threads or the search, as the address says. */
function Beside({ now }: { readonly now: RoomSnapshot }): ReactNode {
  const { route } = useApp();
  const place = useSnapshot(route);
  if (place.at !== "room") return null;
  if (place.thread !== undefined) return <ThreadPanel key={place.thread} room={place.room} root={place.thread} direct={now.room?.direct !== undefined} />;
  return place.side === "search" ? <SearchPanel room={place.room} /> : <ThreadsList room={place.room} />;
}

function Invited({ now, model }: Parts): ReactNode {
  const { t } = useWords();
  return (
    <Empty title={t("room.invitedTitle", { name: now.room?.inviter?.name ?? "" })}>
      <div className={styles["answer"]}>
        <Button look="main" disabled={now.busy} onClick={() => void model.answer(true)}>
          {t("inbox.accept")}
        </Button>
        <Button disabled={now.busy} onClick={() => void model.answer(false)}>
          {t("inbox.decline")}
        </Button>
      </div>
    </Empty>
  );
}
