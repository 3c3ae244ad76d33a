import { type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import type { Desk } from "./Desk.ts";
import styles from "./forms.module.css";
import { PriorityMark } from "./PriorityView.tsx";

/** Asks before the device is asked where it is. */
export function PlaceDialog({ desk }: { readonly desk: Desk }): ReactNode {
  const { t } = useWords();
  const [state, setState] = useState<"no" | "busy" | "unknown" | "notKept">("no");
  const { priority } = useSnapshot(desk.composer).draft;
  const send = async (): Promise<void> => {
    setState("busy");
    try {
      if (await desk.composer.sendPlace()) desk.close();
      else setState("unknown");
    } catch {
      setState("notKept"); // only the device's own store can refuse
    }
  };
  return (
    <Dialog title={t("place.send")} onClose={desk.close}>
      <div className={styles["form"]}>
        <h2>{t("place.send")}</h2>
        {priority !== undefined && <PriorityMark priority={priority} />}
        <p>{t("place.sure")}</p>
        {state === "busy" && <p role="status">{t("place.looking")}</p>}
        {state === "unknown" && <p role="alert">{t("place.unknown")}</p>}
        {state === "notKept" && <p role="alert">{t("composer.notKept")}</p>}
        <Button look="main" wide disabled={state === "busy"} onClick={() => void send()}>
          {t("composer.send")}
        </Button>
        <Button wide onClick={desk.close}>
          {t("dialog.cancel")}
        </Button>
      </div>
    </Dialog>
  );
}
