import { type KeyboardEvent, type ReactNode, useState } from "react";

import { presences } from "../../actions/presence.ts";
import { type Word, useWords } from "../../i18n/words.tsx";
import type { Section, SectionName } from "../../store/inbox.ts";
import type { Person } from "../../store/model.ts";
import { Button, IconButton } from "../../ui/Button.tsx";
import { Empty } from "../../ui/Empty.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { PresenceMark } from "../../ui/PresenceMark.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Skeleton } from "../../ui/Skeleton.tsx";
import { ActionMenu } from "../ActionMenu.tsx";
import { PersonFace, presenceWords } from "../Face.tsx";
import { Link } from "../Link.tsx";
import { useApp, useViewModel } from "../context.ts";
import { PublicRoomLine } from "../rooms/PublicRoomLine.tsx";
import styles from "./InboxView.module.css";
import { InboxViewModel, type InboxSnapshot } from "./InboxViewModel.ts";
import { Invitations } from "./Invitations.tsx";
import { RoomLine } from "./RoomLine.tsx";

const sectionWords: Readonly<Record<SectionName, Word>> = {
  favourite: "inbox.favourites",
  unread: "inbox.unreads",
  recent: "inbox.recent",
  low: "inbox.low",
};

export function InboxView(): ReactNode {
  const { t } = useWords();
  const { route } = useApp();
  const [model, now] = useViewModel((app) => new InboxViewModel(app));
  return (
    <section className={styles["inbox"]} aria-labelledby="inbox-title">
      <header className={styles["head"]}>
        <h1 id="inbox-title">{t("inbox.title")}</h1>
        {now.ready && <Availability now={now} />}
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
        {now.spaces.length > 0 && <Spaces now={now} model={model} />}
      </div>
      <div className={styles["scroll"]}>{now.ready || now.sections.length > 0 ? <Lists now={now} model={model} /> : <Skeleton rows={8} label={t("gate.opening")} />}</div>
    </section>
  );
}

interface Parts {
  readonly now: InboxSnapshot;
  readonly model: InboxViewModel;
}

/** What others are told about oneself, and the way to change it. */
function Availability({ now }: { readonly now: InboxSnapshot }): ReactNode {
  const { t } = useWords();
  return (
    <span className={styles["availability"]}>
      <ActionMenu label={t("inbox.availability", { presence: t(presenceWords[now.presence]) })} icon="person" actions={presences} target={undefined} />
      <span className={styles["presence"]} aria-hidden="true">
        <PresenceMark presence={now.presence} label="" />
      </span>
    </span>
  );
}

function Spaces({ now, model }: Parts): ReactNode {
  const { t } = useWords();
  return (
    <ul className={styles["spaces"]} aria-label={t("inbox.spaces")}>
      {[undefined, ...now.spaces].map((space) => (
        <li key={space?.id ?? ""}>
          <button
            type="button"
            aria-pressed={now.space?.id === space?.id}
            onClick={() => {
              model.choose(space?.id);
            }}
          >
            {space === undefined ? t("inbox.all") : <bdi>{space.name}</bdi>}
          </button>
        </li>
      ))}
    </ul>
  );
}

function Lists({ now, model }: Parts): ReactNode {
  const { t } = useWords();
  const found = now.people.length + now.published.length;
  const empty = now.sections.length + now.invitations.length + now.knocked.length + found === 0;
  return (
    <>
      {now.term.trim() !== "" && (
        <button type="button" className={styles["person"]} onClick={model.searchMessages}>
          <Icon name="search" />
          <span className={styles["text"]}>{t("search.for", { term: now.term.trim() })}</span>
        </button>
      )}
      <Invitations now={now} model={model} />
      {now.sections.length > 0 && <Sections now={now} />}
      {now.space !== undefined && now.term === "" && (
        <p className={styles["more"]}>
          <Link to={{ at: "rooms", space: now.space.id }}>{t("inbox.spaceAll", { name: now.space.name })}</Link>
        </p>
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
      {now.published.length > 0 && (
        <section aria-labelledby="inbox-published">
          <h2 id="inbox-published">{t("inbox.published")}</h2>
          <ul>
            {now.published.map((room) => (
              <PublicRoomLine key={room.id} room={room} />
            ))}
          </ul>
        </section>
      )}
      {now.search === "failed" && !empty && (
        <p className={styles["fault"]} role="alert">
          {t("inbox.searchFailed")}
        </p>
      )}
      {empty && <Nothing now={now} />}
    </>
  );
}

/** One stop of the Tab key for the whole list; up, down, Home and End move in it. */
function Sections({ now }: { readonly now: InboxSnapshot }): ReactNode {
  const { t } = useWords();
  const [at, setAt] = useState<string>();
  const ids = now.sections.flatMap((section) => section.rooms.map((room) => room.id));
  const stop = [at, now.open].find((id) => id !== undefined && ids.includes(id)) ?? ids[0];
  return (
    <ul
      aria-label={t("inbox.list")}
      onKeyDown={moveFocus}
      onFocus={(event) => {
        const line = event.target.dataset["line"];
        if (line !== undefined) setAt(line);
      }}
    >
      {now.sections.map((section) => (
        <SectionView key={section.name} section={section} alone={now.sections.length === 1 && section.name === "recent"} now={now} stop={stop} />
      ))}
    </ul>
  );
}

function SectionView({ section, alone, now, stop }: { readonly section: Section; readonly alone: boolean; readonly now: InboxSnapshot; readonly stop: string | undefined }): ReactNode {
  const { t } = useWords();
  const title = t(sectionWords[section.name]);
  return (
    <li>
      {!alone && <h2>{title}</h2>}
      <ul aria-label={title}>
        {section.rooms.map((room) => (
          <RoomLine key={room.id} room={room} open={room.id === now.open} draft={room.id === now.open ? undefined : now.drafts.get(room.id)} typing={now.typing.get(room.id)} stop={room.id === stop} />
        ))}
      </ul>
    </li>
  );
}

function Nothing({ now }: { readonly now: InboxSnapshot }): ReactNode {
  const { t } = useWords();
  const { route } = useApp();
  if (now.search === "searching") return <Skeleton rows={3} label={t("inbox.searching")} />;
  if (now.search === "failed") return <p className={styles["nothing"]}>{t("inbox.searchFailed")}</p>;
  if (now.term !== "") return <p className={styles["nothing"]}>{t("inbox.nothing", { term: now.term })}</p>;
  if (now.space !== undefined) return <p className={styles["nothing"]}>{t("inbox.spaceEmpty")}</p>;
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

function PersonLine({ person, now, model }: Parts & { readonly person: Person }): ReactNode {
  const { t } = useWords();
  return (
    <button type="button" className={styles["person"]} disabled={now.busy === person.id} onClick={() => void model.talkTo(person)}>
      <PersonFace person={person} />
      <span className={styles["text"]}>
        <span className={styles["name"]} dir="auto">
          {person.name}
        </span>
        <span className={styles["last"]}>{now.failed === person.id ? t("inbox.failed") : <bdi>{person.id}</bdi>}</span>
      </span>
    </button>
  );
}

/** Moves between the lines of the list. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const lines = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-line]")];
  const at = lines.indexOf(document.activeElement as HTMLElement);
  if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
  const next = to === undefined ? undefined : lines[to];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
}
