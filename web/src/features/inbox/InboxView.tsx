import type { KeyboardEvent, ReactNode } from "react";

import { type Words, useWords } from "../../i18n/words.tsx";
import type { LastLine, Person, RoomSummary } from "../../store/model.ts";
import { Avatar } from "../../ui/Avatar.tsx";
import { Button, IconButton } from "../../ui/Button.tsx";
import { Empty } from "../../ui/Empty.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Skeleton } from "../../ui/Skeleton.tsx";
import { Link } from "../Link.tsx";
import { useApp, useViewModel } from "../context.ts";
import styles from "./InboxView.module.css";
import { InboxViewModel, type InboxSnapshot } from "./InboxViewModel.ts";

export function InboxView(): ReactNode {
  const { t } = useWords();
  const { route } = useApp();
  const [model, now] = useViewModel((app) => new InboxViewModel(app));
  return (
    <section className={styles["inbox"]} aria-labelledby="inbox-title">
      <header className={styles["head"]}>
        <h1 id="inbox-title">{t("inbox.title")}</h1>
        <IconButton
          icon="write"
          label={t("inbox.new")}
          onClick={() => {
            route.go({ at: "people" });
          }}
        />
      </header>
      <div className={styles["search"]}>
        <SearchField label={t("inbox.search")} clearLabel={t("inbox.clear")} value={now.term} onChange={model.type} />
      </div>
      <div className={styles["scroll"]} onKeyDown={moveFocus}>
        {now.ready || now.rooms.length > 0 ? <Lists now={now} model={model} /> : <Skeleton rows={8} label={t("gate.opening")} />}
      </div>
    </section>
  );
}

function Lists({ now, model }: { readonly now: InboxSnapshot; readonly model: InboxViewModel }): ReactNode {
  const { t } = useWords();
  const empty = now.rooms.length === 0 && now.invitations.length === 0 && now.people.length === 0;
  return (
    <>
      {now.invitations.length > 0 && (
        <section aria-labelledby="inbox-invited">
          <h2 id="inbox-invited">{t("inbox.invited")}</h2>
          <ul>
            {now.invitations.map((room) => (
              <Invitation key={room.id} room={room} now={now} model={model} />
            ))}
          </ul>
        </section>
      )}
      {now.rooms.length > 0 && (
        <ul aria-label={t("inbox.list")}>
          {now.rooms.map((room) => (
            <li key={room.id}>
              <RoomLine room={room} open={room.id === now.open} />
            </li>
          ))}
        </ul>
      )}
      {now.people.length > 0 && (
        <section aria-labelledby="inbox-people">
          <h2 id="inbox-people">{t("inbox.people")}</h2>
          <ul>
            {now.people.map((person) => (
              <li key={person.id}>
                <PersonLine person={person} now={now} model={model} />
              </li>
            ))}
          </ul>
        </section>
      )}
      {empty && <Nothing now={now} />}
    </>
  );
}

function Nothing({ now }: { readonly now: InboxSnapshot }): ReactNode {
  const { t } = useWords();
  const { route } = useApp();
  if (now.search === "searching") return <Skeleton rows={3} label={t("inbox.searching")} />;
  if (now.search === "failed") return <p className={styles["nothing"]}>{t("inbox.searchFailed")}</p>;
  if (now.term !== "") return <p className={styles["nothing"]}>{t("inbox.nothing", { term: now.term })}</p>;
  return (
    <Empty title={t("inbox.emptyTitle")} text={t("inbox.emptyText")}>
      <Button
        look="main"
        icon="write"
        onClick={() => {
          route.go({ at: "people" });
        }}
      >
        {t("inbox.new")}
      </Button>
    </Empty>
  );
}

function RoomLine({ room, open }: { readonly room: RoomSummary; readonly open: boolean }): ReactNode {
  const words = useWords();
  const { now } = useApp();
  const { t } = words;
  return (
    <Link to={{ at: "room", room: room.id }} className={styles["line"]} aria-current={open ? "page" : undefined} data-unread={room.unread > 0}>
      <Avatar id={room.direct?.id ?? room.id} name={room.name} group={room.direct === undefined} />
      <span className={styles["text"]}>
        <span className={styles["top"]}>
          <span className={styles["name"]} dir="auto">
            {room.name === "" ? t("room.unnamed") : room.name}
          </span>
          {room.at > 0 && <time dateTime={new Date(room.at).toISOString()}>{words.moment(room.at, now())}</time>}
        </span>
        <span className={styles["bottom"]}>
          <span className={styles["last"]} dir={room.last.kind === "text" && room.direct !== undefined && !room.last.own ? "auto" : undefined}>
            {lastText(room, words)}
          </span>
          {room.unread > 0 && (
            <span className={styles["count"]} dir="ltr" role="img" aria-label={t("inbox.unread", { count: room.unread })}>
              {room.unread > 99 ? "99+" : room.unread}
            </span>
          )}
        </span>
      </span>
    </Link>
  );
}

function lastText(room: RoomSummary, { t }: Words): string {
  const { last } = room;
  if (last.kind === "none") return t("inbox.nothingYet");
  if (last.kind === "decrypting") return t("inbox.decrypting");
  const text = last.kind === "text" ? last.text : t(lastWord(last.kind));
  if (last.own) return t("inbox.own", { text });
  return room.direct === undefined ? t("inbox.other", { name: last.sender.name, text }) : text;
}

function lastWord(kind: Exclude<LastLine["kind"], "none" | "decrypting" | "text">): Parameters<Words["t"]>[0] {
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
    case "waiting":
      return "inbox.waiting";
    case "removed":
      return "inbox.removed";
  }
}

function Invitation({ room, now, model }: { readonly room: RoomSummary; readonly now: InboxSnapshot; readonly model: InboxViewModel }): ReactNode {
  const { t } = useWords();
  const by = room.inviter?.name ?? "";
  const busy = now.busy === room.id;
  return (
    <li className={styles["invitation"]}>
      <Avatar id={room.direct?.id ?? room.id} name={room.direct?.name ?? room.name} group={room.direct === undefined} />
      <div className={styles["text"]}>
        <p className={styles["name"]} dir="auto">
          {room.direct?.name ?? (room.name === "" ? t("room.unnamed") : room.name)}
        </p>
        <p className={styles["last"]}>{room.direct === undefined ? t("inbox.invitedBy", { name: by }) : t("inbox.invitedDirect")}</p>
        {now.failed === room.id && (
          <p className={styles["fault"]} role="alert">
            {t("inbox.failed")}
          </p>
        )}
        <div className={styles["answer"]}>
          <Button look="main" disabled={busy} onClick={() => void model.accept(room.id)}>
            {t("inbox.accept")}
          </Button>
          <Button disabled={busy} onClick={() => void model.decline(room.id)}>
            {t("inbox.decline")}
          </Button>
        </div>
      </div>
    </li>
  );
}

function PersonLine({ person, now, model }: { readonly person: Person; readonly now: InboxSnapshot; readonly model: InboxViewModel }): ReactNode {
  const { t } = useWords();
  return (
    <button type="button" className={styles["line"]} disabled={now.busy === person.id} onClick={() => void model.talkTo(person)}>
      <Avatar id={person.id} name={person.name} />
      <span className={styles["text"]}>
        <span className={styles["name"]} dir="auto">
          {person.name}
        </span>
        <span className={styles["last"]} dir={now.failed === person.id ? undefined : "ltr"}>
          {now.failed === person.id ? t("inbox.failed") : person.id}
        </span>
      </span>
    </button>
  );
}

/** Up and down move between the lines of the list. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const lines = [...event.currentTarget.querySelectorAll<HTMLElement>("a, button")];
  const at = lines.indexOf(document.activeElement as HTMLElement);
  const next = lines[at + (event.key === "ArrowDown" ? 1 : -1)];
  if (at < 0 || next === undefined) return;
  event.preventDefault();
  next.focus();
}
