import { type KeyboardEvent, type ReactNode, useEffect, useRef } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import type { Pane } from "../../store/Route.ts";
import { IconButton } from "../../ui/Button.tsx";
import { Skeleton } from "../../ui/Skeleton.tsx";
import { useApp, useViewModel } from "../context.ts";
import { RoomFilesView } from "../media/RoomFilesView.tsx";
import { AboutPage } from "./AboutPage.tsx";
import styles from "./PaneView.module.css";
import { PaneViewModel, type PaneSnapshot } from "./PaneViewModel.ts";
import { PeoplePage } from "./PeoplePage.tsx";
import { PermissionsPage } from "./PermissionsPage.tsx";
import { PinsPage } from "./PinsPage.tsx";
import { Questions } from "./Questions.tsx";
import { SettingsPage } from "./SettingsPage.tsx";

export const paneWords: Readonly<Record<Pane, Word>> = {
  about: "details.title",
  people: "details.people",
  settings: "pane.settings",
  permissions: "pane.permissions",
  files: "pane.files",
  pins: "pane.pins",
};

/** Beside the conversation, or over it on a phone: who is here, what holds here, and the way out. */
export function PaneView({ room }: { readonly room: string }): ReactNode {
  const { t } = useWords();
  const { route } = useApp();
  const [model, now] = useViewModel((app) => new PaneViewModel(app, room));
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  useEffect(() => {
    title.current?.focus();
  }, [now.pane]);
  return (
    <aside className={styles["pane"]} aria-labelledby="pane-title" onKeyDown={closing(model)}>
      <header>
        {now.pane !== "about" && (
          <IconButton
            icon="back"
            label={t("pane.back")}
            onClick={() => {
              route.go({ at: "room", room, pane: "about" });
            }}
          />
        )}
        <h2 id="pane-title" ref={title} tabIndex={-1}>
          {t(paneWords[now.pane])}
        </h2>
        <IconButton icon="close" label={t("details.close")} onClick={model.close} />
      </header>
      {/* A page on which nothing may be changed has nothing else to hold the focus, and has to be scrolled by keys too. */}
      <div className={styles["scroll"]} role="group" aria-labelledby="pane-title" tabIndex={0}>
        <Page now={now} model={model} />
      </div>
      <Questions now={now} model={model} />
    </aside>
  );
}

export interface PageParts {
  readonly now: PaneSnapshot;
  readonly model: PaneViewModel;
}

function Page({ now, model }: PageParts): ReactNode {
  const { t } = useWords();
  const { room, details } = now;
  if (room === undefined || details?.me === undefined) return <Skeleton rows={6} label={t("pane.loading")} />;
  const parts = { room, details, now, model };
  switch (now.pane) {
    case "about":
      return <AboutPage {...parts} />;
    case "people":
      return <PeoplePage {...parts} />;
    case "settings":
      return <SettingsPage {...parts} />;
    case "permissions":
      return <PermissionsPage {...parts} />;
    case "files":
      return <RoomFilesView room={room.id} />;
    case "pins":
      return <PinsPage room={room.id} />;
  }
}

/** Escape closes the pane, but not while a window over it takes it. */
function closing(model: PaneViewModel): (event: KeyboardEvent) => void {
  return (event) => {
    const inWindow = event.target instanceof Element && event.target.closest("dialog") !== null;
    if (event.key === "Escape" && !event.defaultPrevented && !inWindow) model.close();
  };
}
