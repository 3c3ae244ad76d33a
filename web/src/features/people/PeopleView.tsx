import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Person } from "../../store/model.ts";
import { Avatar } from "../../ui/Avatar.tsx";
import { Button } from "../../ui/Button.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Skeleton } from "../../ui/Skeleton.tsx";
import { TextField } from "../../ui/TextField.tsx";
import { PersonFace } from "../Face.tsx";
import { Link } from "../Link.tsx";
import { useViewModel } from "../context.ts";
import styles from "./PeopleView.module.css";
import { PeopleViewModel, type PeopleSnapshot } from "./PeopleViewModel.ts";

export function PeopleView(): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new PeopleViewModel(app));
  return (
    <section className={styles["page"]} aria-labelledby="people-title">
      <header className={styles["head"]}>
        <h1 id="people-title">{t("people.title")}</h1>
      </header>
      <div className={styles["search"]}>
        <SearchField label={t("people.search")} clearLabel={t("inbox.clear")} value={now.term} onChange={model.type} autoFocus />
        {now.chosen.length > 0 && <Chosen now={now} model={model} />}
      </div>
      <div className={styles["scroll"]}>
        <Results now={now} model={model} />
      </div>
      {now.chosen.length > 0 && <Begin now={now} model={model} />}
    </section>
  );
}

interface Parts {
  readonly now: PeopleSnapshot;
  readonly model: PeopleViewModel;
}

function Chosen({ now, model }: Parts): ReactNode {
  const { t } = useWords();
  return (
    <ul className={styles["chosen"]} aria-label={t("people.chosen")}>
      {now.chosen.map((person) => (
        <li key={person.id}>
          <button
            type="button"
            aria-label={t("people.remove", { name: person.name })}
            onClick={() => {
              model.toggle(person);
            }}
          >
            <span dir="auto">{person.name}</span>
            <Icon name="close" size={16} />
          </button>
        </li>
      ))}
    </ul>
  );
}

function Results({ now, model }: Parts): ReactNode {
  const { t } = useWords();
  if (now.search === "idle") return <Start now={now} model={model} />;
  if (now.search === "failed") {
    return (
      <p className={styles["hint"]} role="alert">
        {t("inbox.searchFailed")}
      </p>
    );
  }
  if (now.found.length === 0) {
    if (now.search === "searching") return <Skeleton rows={4} label={t("inbox.searching")} />;
    return <p className={styles["hint"]}>{t("people.none", { term: now.term.trim() })}</p>;
  }
  return (
    <ul aria-label={t("people.results")}>
      {now.found.map(({ person, chosen }) => (
        <li key={person.id}>
          <PersonChoice
            person={person}
            chosen={chosen}
            onToggle={() => {
              model.toggle(person);
            }}
          />
        </li>
      ))}
    </ul>
  );
}

function PersonChoice({ person, chosen, onToggle }: { readonly person: Person; readonly chosen: boolean; readonly onToggle: () => void }): ReactNode {
  return (
    <button type="button" className={styles["person"]} aria-pressed={chosen} onClick={onToggle}>
      <PersonFace person={person} />
      <span className={styles["who"]}>
        <strong dir="auto">{person.name}</strong>
        <span dir="ltr">{person.id}</span>
      </span>
      <span className={styles["tick"]}>{chosen && <Icon name="tick" size={16} />}</span>
    </button>
  );
}

/** Before anybody is looked for: other ways to go on, and who is blocked. */
function Start({ now, model }: Parts): ReactNode {
  const { t } = useWords();
  return (
    <>
      <p className={styles["hint"]}>{t("people.hint")}</p>
      <p className={styles["browse"]}>
        <Link to={{ at: "rooms" }}>{t("people.browse")}</Link>
      </p>
      {now.blocked.length > 0 && (
        <section aria-labelledby="people-blocked">
          <h2 id="people-blocked">{t("people.blocked")}</h2>
          <ul>
            {now.blocked.map((id) => (
              <li key={id} className={styles["person"]}>
                <Avatar id={id} name={id.slice(1)} />
                <span className={styles["who"]}>
                  <span dir="ltr">{id}</span>
                </span>
                <Button disabled={now.busy} aria-label={t("people.unblockName", { name: id })} onClick={() => void model.unblock(id)}>
                  {t("person.unblock")}
                </Button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function Begin({ now, model }: Parts): ReactNode {
  const { t } = useWords();
  const [first] = now.chosen;
  const direct = now.chosen.length === 1;
  const label = direct ? t("people.startDirect", { name: first?.name ?? "" }) : t("people.startGroup", { count: now.chosen.length });
  return (
    <form
      className={styles["start"]}
      onSubmit={(event) => {
        event.preventDefault();
        void model.start();
      }}
    >
      {!direct && (
        <TextField
          label={t("people.groupName")}
          hint={t("people.groupHint")}
          value={now.groupName}
          onChange={(event) => {
            model.nameGroup(event.currentTarget.value);
          }}
        />
      )}
      {now.failed && (
        <p className={styles["fault"]} role="alert">
          {t("people.failed")}
        </p>
      )}
      <Button look="main" type="submit" wide disabled={now.busy}>
        {now.busy ? t("people.starting") : label}
      </Button>
    </form>
  );
}
