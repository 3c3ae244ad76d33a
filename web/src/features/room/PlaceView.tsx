import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { Place } from "../../store/conversation.ts";
import { Icon } from "../../ui/Icon.tsx";
import styles from "./PlaceView.module.css";

/** A place in figures. No map is fetched: the device's own map opens it. */
export function PlaceView({ place, name }: { readonly place: Place; readonly name: string }): ReactNode {
  const { t } = useWords();
  const [latitude, longitude] = [place.latitude, place.longitude].map((angle) => angle.toFixed(5));
  const at = `${latitude ?? ""}, ${longitude ?? ""}`;
  return (
    <div className={styles["place"]}>
      <Icon name="place" size={24} />
      <p>
        <strong>{name === "" ? t("inbox.place") : <bdi>{name}</bdi>}</strong>
        <span dir="ltr">{at}</span>
        <a href={`geo:${latitude ?? ""},${longitude ?? ""}`}>{t("place.open")}</a>
      </p>
    </div>
  );
}
