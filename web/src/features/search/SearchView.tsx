import type { KeyboardEvent, ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Avatar } from "../../ui/Avatar.tsx";
import { Button, IconButton } from "../../ui/Button.tsx";
import { Empty } from "../../ui/Empty.tsx";
import { Marked } from "../../ui/Marked.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Skeleton } from "../../ui/Skeleton.tsx";
import { Link } from "../Link.tsx";
import { useApp, useViewModel } from "../context.ts";
import styles from "./SearchView.module.css";
import { SearchViewModel, type FoundLine, type SearchSnapshot } from "./SearchViewModel.ts";

/** The messages of all conversations by their words. */
export function SearchView(): ReactNode {
  const { t } = useWords();
  const { route } = useApp();
  return (
    <section className={styles["view"]} aria-labelledby="search-title">
      <header className={styles["head"]}>
        <IconButton
          icon="back"
          label={t("room.back")}
          onClick={() => {
            route.go({ at: "inbox" });
          }}
        />
        <h1 id="search-title">{t("action.search")}</h1>
      </header>
      <SearchParts room={undefined} />
    </section>
  );
}

interface Parts {
  readonly now: SearchSnapshot;
  readonly model: SearchViewModel;
}

/** The field, what was found, and how far back that goes. `room` is the conversation beside it. */
export function SearchParts({ room }: { readonly room: string | undefined }): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new SearchViewModel(app, room));
  return (
    <div className={styles["parts"]} onKeyDown={moveFocus}>
      <div className={styles["field"]}>
        <SearchField key={now.asked} label={t(now.everywhere ? "search.all" : "search.here")} clearLabel={t("inbox.clear")} value={now.term} onChange={model.type} autoFocus={now.asked > 0} landmark={room === undefined} />
        {room !== undefined && <Scope now={now} model={model} />}
      </div>
      <div className={styles["scroll"]}>
        <Found now={now} model={model} />
      </div>
      <div className={styles["foot"]}>
        <ReachView now={now} model={model} />
      </div>
    </div>
  );
}

function Scope({ now, model }: Parts): ReactNode {
  const { t } = useWords();
  return (
    <div className={styles["scope"]} role="group" aria-label={t("search.where")}>
      {[false, true].map((everywhere) => (
        <button
          key={String(everywhere)}
          type="button"
          aria-pressed={now.everywhere === everywhere}
          onClick={() => {
            model.choose(everywhere);
          }}
        >
          {t(everywhere ? "search.everywhere" : "search.thisRoom")}
        </button>
      ))}
    </div>
  );
}

function Found({ now, model }: Parts): ReactNode {
  const { t } = useWords();
  const count = now.lines.length;
  const done = now.state === "done";
  return (
    <>
      <p className={done && count === 0 ? styles["hint"] : styles["count"]} role="status">
        {done && (now.more ? t("search.countMore", { count }) : t("search.count", { count }))}
      </p>
      {now.partly && (
        <p className={styles["fault"]} role="alert">
          {t("search.partly")}
        </p>
      )}
      {now.state === "idle" && <p className={styles["hint"]}>{t("search.hint")}</p>}
      {now.state === "searching" && count === 0 && <Skeleton rows={3} label={t("inbox.searching")} />}
      {now.state === "failed" && (
        <Empty title={t("search.failed")}>
          <Button onClick={model.again}>{t("room.olderRetry")}</Button>
        </Empty>
      )}
      {count > 0 && (
        <ol className={styles["lines"]} aria-label={t("search.found")}>
          {now.lines.map((line) => (
            <li key={line.id}>
              <Line line={line} />
            </li>
          ))}
        </ol>
      )}
      {now.more && count > 0 && (
        <div className={styles["more"]}>
          <Button wide onClick={model.more}>
            {t("search.more")}
          </Button>
        </div>
      )}
    </>
  );
}

function Line({ line }: { readonly line: FoundLine }): ReactNode {
  const words = useWords();
  const { now } = useApp();
  return (
    <Link to={line.to} data-found>
      <Avatar id={line.sender.id} name={line.sender.name} size="small" />
      <span className={styles["text"]}>
        <span className={styles["who"]}>
          <bdi className={styles["sender"]}>{line.own ? words.t("search.you") : line.sender.name}</bdi>
          <time>{words.moment(line.at, now())}</time>
        </span>
        {line.room !== undefined && (
          <span className={styles["room"]}>
            <bdi>{line.room === "" ? words.t("room.unnamed") : line.room}</bdi>
          </span>
        )}
        <Marked pieces={line.pieces} />
      </span>
    </Link>
  );
}

/** How far back this device has searched, and the way to go further. */
function ReachView({ now, model }: Parts): ReactNode {
  const words = useWords();
  const { t } = words;
  const { reach } = now;
  const time = useApp().now();
  if (reach.since === undefined || (now.state === "idle" && reach.state !== "loading")) return null;
  const since = { day: words.date(reach.since, time) };
  return (
    <>
      <p className={styles["reach"]}>{reach.whole ? t("search.whole") : t("search.since", since)}</p>
      {reach.state === "failed" && (
        <p className={styles["fault"]} role="alert">
          {t("room.olderFailed")}
        </p>
      )}
      {reach.state === "loading" ? (
        <div className={styles["loading"]}>
          <progress aria-label={t("room.loadingOlder")} />
          <span>{t("search.read", { count: reach.read })}</span>
          <Button onClick={model.stop}>{t("search.stop")}</Button>
        </div>
      ) : (
        reach.further && (
          <Button wide onClick={model.goFurther}>
            {t("search.further")}
          </Button>
        )
      )}
    </>
  );
}

/** From the field to what was found, and up and down in it. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  if (event.altKey || event.ctrlKey || event.metaKey || event.nativeEvent.isComposing) return;
  const field = event.currentTarget.querySelector("input");
  const stops: HTMLElement[] = [...(field === null ? [] : [field]), ...event.currentTarget.querySelectorAll<HTMLElement>("[data-found]")];
  const at = stops.indexOf(document.activeElement as HTMLElement);
  const step = event.key === "ArrowDown" || (event.key === "Enter" && at === 0) ? 1 : event.key === "ArrowUp" ? -1 : 0;
  const next = step === 0 || at < 0 ? undefined : stops[at + step];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
}
