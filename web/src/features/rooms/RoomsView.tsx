import { type ReactNode, useEffect } from "react";

import { useWords } from "../../i18n/words.tsx";
import type { RoomId } from "../../store/model.ts";
import { Button, IconButton } from "../../ui/Button.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Skeleton } from "../../ui/Skeleton.tsx";
import { useApp, useViewModel } from "../context.ts";
import { PublicRoomLine } from "./PublicRoomLine.tsx";
import styles from "./RoomsView.module.css";
import { RoomsViewModel, type RoomsSnapshot } from "./RoomsViewModel.ts";

/** Rooms to look around in: all that can be found, or those of a space. */
export function RoomsView({ space }: { readonly space: RoomId | undefined }): ReactNode {
  const { t } = useWords();
  const { route } = useApp();
  const [model, now] = useViewModel((app) => new RoomsViewModel(app, space));
  const { load } = model;
  useEffect(() => {
    if (now.ready) void load();
  }, [now.ready, load]);
  return (
    <section className={styles["page"]} aria-labelledby="rooms-title">
      <header className={styles["head"]}>
        <IconButton
          icon="back"
          label={t("room.back")}
          onClick={() => {
            route.go({ at: "inbox" });
          }}
        />
        <h1 id="rooms-title" dir="auto">
          {now.space ?? t("rooms.title")}
        </h1>
      </header>
      <div className={styles["search"]}>
        <SearchField label={t("rooms.search")} clearLabel={t("inbox.clear")} value={now.term} onChange={model.type} />
      </div>
      <div className={styles["scroll"]}>
        <Found now={now} model={model} />
      </div>
    </section>
  );
}

function Found({ now, model }: { readonly now: RoomsSnapshot; readonly model: RoomsViewModel }): ReactNode {
  const { t } = useWords();
  if (now.state === "loading" && now.rooms.length === 0) return <Skeleton rows={6} label={t("inbox.searching")} />;
  if (now.state === "failed") {
    return (
      <div className={styles["nothing"]} role="alert">
        <p>{t("rooms.loadFailed")}</p>
        <Button onClick={() => void model.load()}>{t("room.olderRetry")}</Button>
      </div>
    );
  }
  if (now.rooms.length === 0) return <p className={styles["nothing"]}>{now.term === "" ? t("rooms.none") : t("people.none", { term: now.term.trim() })}</p>;
  return (
    <>
      <ul aria-label={t("rooms.title")}>
        {now.rooms.map((room) => (
          <PublicRoomLine key={room.id} room={room} />
        ))}
      </ul>
      {now.more && (
        <Button wide disabled={now.state === "loading"} onClick={() => void model.loadMore()}>
          {t("rooms.more")}
        </Button>
      )}
    </>
  );
}
