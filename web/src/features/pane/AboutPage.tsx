import type { ReactNode } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import type { RoomDetails } from "../../store/Rooms.ts";
import type { Pane } from "../../store/Route.ts";
import type { Notify, RoomSummary, Tag } from "../../store/model.ts";
import { Button } from "../../ui/Button.tsx";
import { Icon, type IconName } from "../../ui/Icon.tsx";
import { Select } from "../../ui/Select.tsx";
import { presenceWords, RoomFace, usePresence } from "../Face.tsx";
import { Link } from "../Link.tsx";
import styles from "./PaneView.module.css";
import { paneWords, type PageParts } from "./PaneView.tsx";
import { notifyWords } from "./words.ts";

export interface RoomParts extends PageParts {
  readonly room: RoomSummary;
  readonly details: RoomDetails;
}

const notifies: readonly Notify[] = ["all", "mentions", "none"];

const tags: readonly { readonly tag: Tag; readonly icon: IconName; readonly word: Word }[] = [
  { tag: "favourite", icon: "star", word: "pane.favourite" },
  { tag: "low", icon: "arrowDown", word: "pane.low" },
];

const pages: readonly { readonly pane: Pane; readonly icon: IconName; readonly groups: boolean }[] = [
  { pane: "people", icon: "people", groups: false },
  { pane: "settings", icon: "settings", groups: true },
  { pane: "permissions", icon: "key", groups: true },
  { pane: "files", icon: "file", groups: false },
  { pane: "pins", icon: "pin", groups: false },
];

/** The room at a glance, one's own choices about it, and the way to everything else. */
export function AboutPage({ room, details, now, model }: RoomParts): ReactNode {
  const { t } = useWords();
  const name = room.name === "" ? t("room.unnamed") : room.name;
  return (
    <>
      <div className={styles["face"]}>
        <RoomFace room={room} name={name} size="large" />
        <p dir="auto">{name}</p>
        {room.direct !== undefined && <PresenceLine person={room.direct.id} />}
        {details.topic !== "" && (
          <p className={styles["topic"]} dir="auto">
            {details.topic}
          </p>
        )}
      </div>
      <p className={styles["sealed"]} data-open={!room.encrypted}>
        <Icon name={room.encrypted ? "lock" : "unlock"} size={18} />
        {t(room.encrypted ? "details.encrypted" : "details.open")}
      </p>
      <Select label={t("notify.title")} value={room.notify} options={notifies.map((value) => ({ value, label: t(notifyWords[value]) }))} onChange={(value) => void model.setNotify(value)} />
      <div className={styles["toggles"]}>
        {tags.map(({ tag, icon, word }) => (
          <Button key={tag} icon={icon} aria-pressed={room.tag === tag} disabled={now.busy} onClick={() => void model.setTag(tag, room.tag !== tag)}>
            {t(word)}
          </Button>
        ))}
      </div>
      {now.failed && now.question === undefined && (
        <p className={styles["fault"]} role="alert">
          {t("inbox.failed")}
        </p>
      )}
      <nav aria-label={t("details.title")}>
        <ul className={styles["pages"]}>
          {pages
            .filter(({ groups }) => !groups || room.direct === undefined)
            .map(({ pane, icon }) => (
              <li key={pane}>
                <Link to={{ at: "room", room: room.id, pane }}>
                  <Icon name={icon} />
                  <span>{t(paneWords[pane])}</span>
                  {pane === "people" && <PeopleCount details={details} members={room.members} />}
                  <Icon name="chevron" size={16} />
                </Link>
              </li>
            ))}
        </ul>
      </nav>
      <Leaving room={room} now={now} model={model} />
    </>
  );
}

function PresenceLine({ person }: { readonly person: string }): ReactNode {
  const { t } = useWords();
  const presence = usePresence(person);
  return presence === undefined ? null : <p className={styles["topic"]}>{t(presenceWords[presence])}</p>;
}

function PeopleCount({ details, members }: { readonly details: RoomDetails; readonly members: number }): ReactNode {
  const { t } = useWords();
  const { knocking } = details;
  return <span className={styles["soft"]}>{knocking.length > 0 ? t("pane.knocking", { count: knocking.length }) : members}</span>;
}

function Leaving({ room, now, model }: PageParts & { readonly room: RoomSummary }): ReactNode {
  const { t } = useWords();
  const { direct } = room;
  const blocked = direct !== undefined && now.blocked.includes(direct.id);
  return (
    <div className={styles["stack"]}>
      {now.reported && <p role="status">{t("report.done")}</p>}
      {direct !== undefined && (
        <Button
          icon="block"
          wide
          onClick={() => {
            if (blocked) void model.block(direct.id, false);
            else model.ask({ about: "block", member: { person: direct, level: 0, membership: "joined", reason: "" } });
          }}
        >
          {t(blocked ? "person.unblock" : "person.block")}
        </Button>
      )}
      <Button
        icon="alert"
        wide
        onClick={() => {
          model.ask({ about: "report" });
        }}
      >
        {t("pane.report")}
      </Button>
      <Button
        look="danger"
        icon="leave"
        wide
        onClick={() => {
          model.ask({ about: "leave" });
        }}
      >
        {t("details.leave")}
      </Button>
    </div>
  );
}
