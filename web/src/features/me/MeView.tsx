import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { sections as sectionNames } from "../../store/Route.ts";
import { Avatar } from "../../ui/Avatar.tsx";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { useViewModel } from "../context.ts";
import { Link } from "../Link.tsx";
import { sections } from "../settings/sections.ts";
import { SafetyCard } from "../trust/SafetyCard.tsx";
import styles from "./MeView.module.css";
import { MeViewModel, type MeSnapshot } from "./MeViewModel.ts";

/** Oneself, and the way to everything that can be set. */
export function MeView(): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new MeViewModel(app));
  return (
    <div className={styles["page"]}>
      <section className={styles["face"]} aria-labelledby="me-title">
        <Avatar id={now.me?.id ?? ""} name={now.me?.name ?? ""} size="large" />
        <h1 id="me-title" dir="auto">
          {now.me?.name ?? t("me.title")}
        </h1>
        <p dir="ltr">{now.me?.id}</p>
      </section>
      <SafetyCard />
      <nav className={styles["sections"]} aria-label={t("settings.title")}>
        <ul>
          {sectionNames.map((section) => (
            <li key={section}>
              <Link to={{ at: "me", section }} aria-current={section === now.section ? "page" : undefined}>
                <Icon name={sections[section].icon} />
                <span>{t(sections[section].word)}</span>
                <Icon name="chevron" size={18} />
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <Button
        look="danger"
        icon="leave"
        wide
        onClick={() => {
          model.askSignOut(true);
        }}
      >
        {t("me.signOut")}
      </Button>
      {now.leaving !== "no" && <SignOut now={now} model={model} />}
    </div>
  );
}

function SignOut({ now, model }: { readonly now: MeSnapshot; readonly model: MeViewModel }): ReactNode {
  const { t } = useWords();
  const stay = (): void => {
    model.askSignOut(false);
  };
  return (
    <Dialog title={t("me.signOut")} onClose={stay}>
      <div className={styles["sure"]}>
        <p>{t("me.signOutSure")}</p>
        {now.waiting > 0 && <p role="alert">{t("me.signOutWaiting", { count: now.waiting })}</p>}
        <Button wide onClick={stay} autoFocus>
          {t("me.signOutNo")}
        </Button>
        <Button look="danger" wide disabled={now.leaving === "busy"} onClick={() => void model.signOut()}>
          {t("me.signOutYes")}
        </Button>
      </div>
    </Dialog>
  );
}
