import { Suspense, type ReactNode, useEffect } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import type { Place } from "../../store/Route.ts";
import { Button } from "../../ui/Button.tsx";
import { Empty } from "../../ui/Empty.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { Skeleton } from "../../ui/Skeleton.tsx";
import { InboxView } from "../inbox/InboxView.tsx";
import { SafetyBar, UpdateBar } from "../trust/GuideView.tsx";
import { useApp, useViewModel } from "../context.ts";
import { useShortcuts } from "../useShortcuts.ts";
import { Navigation } from "./Navigation.tsx";
import { NotSentView } from "./NotSentView.tsx";
import { NoticeView } from "./NoticeView.tsx";
import { MeView, PaletteView, PeopleView, RoomsView, RoomView, SearchView, SettingsView, ShortcutsView } from "./screens.ts";
import styles from "./ShellView.module.css";
import { ShellViewModel, type ShellSnapshot } from "./ShellViewModel.ts";

const content = { id: "content", role: "main", tabIndex: -1 } as const;

/** The frame around every screen: where one is, how to get elsewhere, and whether the server is there. */
export function ShellView(): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new ShellViewModel(app));
  const { place } = now;
  useShortcuts();
  const aside = place.at === "room" || (place.at === "me" && place.section !== undefined);
  useEffect(() => {
    document.title = now.unread > 0 ? `(${String(now.unread)}) ${t("app.name")}` : t("app.name");
  }, [now.unread, t]);
  useEffect(() => {
    void RoomView.load(); // what is opened next
  }, []);
  return (
    <div className={styles["shell"]} data-place={place.at} data-pane={aside ? "main" : "list"}>
      <a className={styles["skip"]} href="#content">
        {t("app.skip")}
      </a>
      <header className={styles["bars"]}>
        {now.demo && <p className={styles["demo"]}>{t("app.demoNote")}</p>}
        <div role="status">{now.bar !== undefined && <ConnectionBar bar={now.bar} onRetry={model.retry} />}</div>
        <NotSentView />
        <SafetyBar />
        <UpdateBar />
      </header>
      <Navigation place={place} unread={now.unread} me={now.me} />
      {/* Which of the two panes is the page's content depends on the place; on a phone only that one is shown. */}
      <div className={styles["list"]} {...(aside ? {} : content)}>
        <Suspense fallback={<Skeleton rows={8} label={t("gate.opening")} />}>
          <List place={place} />
        </Suspense>
      </div>
      <div className={styles["main"]} {...(aside ? content : { role: "region", "aria-label": t("inbox.choose") })}>
        <Suspense fallback={<Skeleton rows={8} label={t("gate.opening")} />}>
          <Content place={place} />
        </Suspense>
      </div>
      <Suspense fallback={null}>
        {now.overlay === "palette" && <PaletteView />}
        {now.overlay === "shortcuts" && <ShortcutsView />}
      </Suspense>
      <NoticeView />
    </div>
  );
}

function List({ place }: { readonly place: Place }): ReactNode {
  switch (place.at) {
    case "search":
      return <SearchView />;
    case "people":
      return <PeopleView />;
    case "me":
      return <MeView />;
    case "rooms":
      return <RoomsView key={place.space ?? ""} space={place.space} />;
    case "inbox":
    case "room":
      return <InboxView />;
  }
}

function Content({ place }: { readonly place: Place }): ReactNode {
  const { t } = useWords();
  const { route } = useApp();
  switch (place.at) {
    case "room":
      return <RoomView key={place.room} room={place.room} />;
    case "me":
      return <SettingsView key={place.section} section={place.section ?? "appearance"} />;
    case "inbox":
    case "search":
    case "people":
    case "rooms":
      return (
        <Empty title={t("inbox.choose")} text={t("inbox.chooseText")}>
          {place.at === "inbox" && (
            <Button
              icon="write"
              onClick={() => {
                route.go({ at: "people" });
              }}
            >
              {t("inbox.new")}
            </Button>
          )}
        </Empty>
      );
  }
}

function ConnectionBar({ bar, onRetry }: { readonly bar: NonNullable<ShellSnapshot["bar"]>; readonly onRetry: () => void }): ReactNode {
  const { t } = useWords();
  const words: Word = bar.kind === "offline" ? "connection.offline" : "connection.unreachable";
  return (
    <div className={styles["connection"]}>
      <Icon name="offline" size={18} />
      <span>{t(words, { waiting: bar.waiting })}</span>
      <button type="button" onClick={onRetry}>
        {t("connection.retry")}
      </button>
    </div>
  );
}
