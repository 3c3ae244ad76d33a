import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Section } from "../../store/Route.ts";
import { IconButton } from "../../ui/Button.tsx";
import { useApp } from "../context.ts";
import { AboutView } from "./AboutView.tsx";
import { AppearanceView } from "./AppearanceView.tsx";
import { DevicesView } from "./DevicesView.tsx";
import { NotificationsView } from "./NotificationsView.tsx";
import { ProfileView } from "./ProfileView.tsx";
import { sections } from "./sections.ts";
import styles from "./settings.module.css";

/** One section of the settings under its heading. */
export function SettingsView({ section }: { readonly section: Section }): ReactNode {
  const { t } = useWords();
  const { route } = useApp();
  return (
    <section className={styles["page"]} aria-labelledby="settings-title">
      <header className={styles["head"]}>
        <span className={styles["back"]}>
          <IconButton
            icon="back"
            label={t("settings.back")}
            onClick={() => {
              route.go({ at: "me" });
            }}
          />
        </span>
        <h1 id="settings-title">{t(sections[section].word)}</h1>
      </header>
      <div className={styles["cards"]}>
        <Content section={section} />
      </div>
    </section>
  );
}

function Content({ section }: { readonly section: Section }): ReactNode {
  switch (section) {
    case "profile":
      return <ProfileView />;
    case "appearance":
      return <AppearanceView />;
    case "notifications":
      return <NotificationsView />;
    case "devices":
      return <DevicesView />;
    case "about":
      return <AboutView />;
  }
}
