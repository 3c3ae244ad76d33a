import type { ReactNode } from "react";

import { openPalette, showShortcuts } from "../../actions/go.ts";
import { type Word, useWords } from "../../i18n/words.tsx";
import type { Place } from "../../store/Route.ts";
import type { Person } from "../../store/model.ts";
import { Avatar } from "../../ui/Avatar.tsx";
import { Icon, type IconName } from "../../ui/Icon.tsx";
import { Logo } from "../../ui/Logo.tsx";
import { ActionIcon } from "../ActionButton.tsx";
import { Link } from "../Link.tsx";
import styles from "./Navigation.module.css";

const places: readonly { readonly to: Place; readonly icon: IconName; readonly word: Word }[] = [
  { to: { at: "inbox" }, icon: "inbox", word: "nav.inbox" },
  { to: { at: "people" }, icon: "write", word: "nav.people" },
  { to: { at: "me" }, icon: "person", word: "nav.me" },
];

export interface NavigationProps {
  readonly place: Place;
  /** Conversations with something new. */
  readonly unread: number;
  readonly me: Person | undefined;
}

/** Where one can go: a rail at the side, on a phone a bar at the lower edge, in reach of the thumb. */
export function Navigation({ place, unread, me }: NavigationProps): ReactNode {
  const { t } = useWords();
  const here = place.at === "room" || place.at === "search" ? "inbox" : place.at === "rooms" ? "people" : place.at;
  return (
    <nav className={styles["rail"]} aria-label={t("nav.label")} data-place={place.at}>
      <span className={styles["mark"]}>
        <Logo size={36} />
      </span>
      <ul>
        {places.map(({ to, icon, word }) => (
          <li key={to.at}>
            <Link to={to} aria-current={here === to.at ? "page" : undefined}>
              <span className={styles["icon"]}>
                {to.at === "me" && me !== undefined ? <Avatar id={me.id} name={me.name} size="small" /> : <Icon name={icon} size={22} />}
                {to.at === "inbox" && unread > 0 && <span className={styles["dot"]} />}
              </span>
              {t(word)}
              {to.at === "inbox" && unread > 0 && <span className={styles["spoken"]}>{t("nav.unread", { count: unread })}</span>}
            </Link>
          </li>
        ))}
      </ul>
      <div className={styles["foot"]}>
        <ActionIcon action={openPalette} target={undefined} />
        <ActionIcon action={showShortcuts} target={undefined} />
      </div>
    </nav>
  );
}
