import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Member } from "../../store/Rooms.ts";
import type { Person } from "../../store/model.ts";
import { may, roleOf } from "../../store/roles.ts";
import { Button } from "../../ui/Button.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Skeleton } from "../../ui/Skeleton.tsx";
import { PersonFace } from "../Face.tsx";
import type { RoomParts } from "./AboutPage.tsx";
import styles from "./PaneView.module.css";
import { roleWords, whyNot } from "./words.ts";

/** Everybody in the room, who wants in and who must stay out. */
export function PeoplePage(parts: RoomParts): ReactNode {
  const words = useWords();
  const { t } = words;
  const { details, now } = parts;
  const joined = details.people.filter((member) => member.membership === "joined");
  const invited = details.people.filter((member) => member.membership === "invited");
  const closed = whyNot(details, "invite", words);
  return (
    <>
      {closed === undefined ? <Invite {...parts} /> : <p className={styles["soft"]}>{closed}</p>}
      {now.failed && now.question === undefined && (
        <p className={styles["fault"]} role="alert">
          {t("inbox.failed")}
        </p>
      )}
      {details.knocking.length > 0 && <Knocking {...parts} />}
      <Group title={t("people.joined", { count: joined.length })} members={joined} parts={parts} />
      {details.members === "loading" && <Skeleton rows={4} label={t("people.loading")} />}
      {details.members === "failed" && <p role="alert">{t("people.loadFailed")}</p>}
      {invited.length > 0 && <Group title={t("people.invited", { count: invited.length })} members={invited} parts={parts} />}
      {details.banned.length > 0 && <Banned {...parts} />}
    </>
  );
}

function Invite({ now, model }: RoomParts): ReactNode {
  const { t } = useWords();
  const { found } = now;
  return (
    <section aria-label={t("people.invite")}>
      <SearchField label={t("people.invite")} clearLabel={t("inbox.clear")} value={found.term} onChange={model.find} landmark={false} />
      {found.items.length > 0 && (
        <ul aria-label={t("people.results")}>
          {found.items.map((person) => (
            <Line key={person.id} person={person} note={person.id}>
              <Button aria-label={t("people.inviteName", { name: person.name })} disabled={now.busy} onClick={() => void model.invite(person)}>
                {t("people.inviteOne")}
              </Button>
            </Line>
          ))}
        </ul>
      )}
      {found.state === "failed" && <p role="alert">{t("inbox.searchFailed")}</p>}
      {found.state === "done" && found.items.length === 0 && <p className={styles["soft"]}>{t("people.none", { term: found.term.trim() })}</p>}
    </section>
  );
}

function Knocking({ details, now, model }: RoomParts): ReactNode {
  const words = useWords();
  const { t } = words;
  const open = may(details, "invite");
  const canRefuse = may(details, "remove");
  return (
    <section aria-labelledby="pane-knocking">
      <h3 id="pane-knocking">{t("pane.knocking", { count: details.knocking.length })}</h3>
      <ul>
        {details.knocking.map((member) => (
          <li key={member.person.id} className={styles["knock"]}>
            <div className={styles["person"]}>
              <PersonFace person={member.person} />
              <span className={styles["who"]}>
                <strong dir="auto">{member.person.name}</strong>
                <span dir="auto">{member.reason === "" ? member.person.id : member.reason}</span>
              </span>
            </div>
            {open || canRefuse ? (
              <div className={styles["toggles"]}>
                <Button look="main" disabled={now.busy || !open} aria-label={t("knock.acceptName", { name: member.person.name })} onClick={() => void model.answer(member, true)}>
                  {t("knock.accept")}
                </Button>
                <Button disabled={now.busy || !canRefuse} aria-label={t("knock.refuseName", { name: member.person.name })} onClick={() => void model.answer(member, false)}>
                  {t("knock.refuse")}
                </Button>
              </div>
            ) : (
              <p className={styles["soft"]}>{whyNot(details, "invite", words)}</p>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Group({ title, members, parts }: { readonly title: string; readonly members: readonly Member[]; readonly parts: RoomParts }): ReactNode {
  const { t } = useWords();
  const { details, model } = parts;
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      <ul>
        {members.map((member) => {
          const self = member.person.id === details.me?.person.id;
          const role = t(roleWords[roleOf(member.level, details.needs.write)]);
          return (
            <li key={member.person.id}>
              <button
                type="button"
                className={styles["person"]}
                onClick={() => {
                  model.ask({ about: "person", member });
                }}
              >
                <PersonFace person={member.person} />
                <span className={styles["who"]}>
                  <strong dir="auto">{member.person.name}</strong>
                  <span>{self ? t("people.you", { role }) : role}</span>
                </span>
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Banned({ details, now, model }: RoomParts): ReactNode {
  const words = useWords();
  const { t } = words;
  const closed = whyNot(details, "ban", words);
  return (
    <section aria-labelledby="pane-banned">
      <h3 id="pane-banned">{t("people.banned", { count: details.banned.length })}</h3>
      <ul>
        {details.banned.map((member) => (
          <Line key={member.person.id} person={member.person} note={member.reason === "" ? member.person.id : member.reason}>
            {closed === undefined && (
              <Button disabled={now.busy} aria-label={t("people.unbanName", { name: member.person.name })} onClick={() => void model.unban(member)}>
                {t("people.unban")}
              </Button>
            )}
          </Line>
        ))}
      </ul>
      {closed !== undefined && <p className={styles["soft"]}>{closed}</p>}
    </section>
  );
}

function Line({ person, note, children }: { readonly person: Person; readonly note: string; readonly children: ReactNode }): ReactNode {
  return (
    <li className={styles["person"]}>
      <PersonFace person={person} />
      <span className={styles["who"]}>
        <strong dir="auto">{person.name}</strong>
        <span dir="auto">{note}</span>
      </span>
      {children}
    </li>
  );
}
