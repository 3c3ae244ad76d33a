import { type ReactNode, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Select } from "../../ui/Select.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import type { Desk } from "./Desk.ts";
import { durations, durationText } from "./durations.ts";
import styles from "./forms.module.css";
import { useAsking } from "./useAsking.ts";

/** How long the messages of a room stay, from now on. */
export function ExpiryDialog({ desk }: { readonly desk: Desk }): ReactNode {
  const { t } = useWords();
  const { homeserver } = useApp();
  const { expiry } = useSnapshot(desk.timeline);
  const [after, setAfter] = useState(expiry);
  const { state, ask } = useAsking(desk.close);
  const all = expiry === undefined || durations.includes(expiry) ? durations : [...durations, expiry].sort((a, b) => a - b);
  return (
    <Dialog title={t("expiry.title")} onClose={desk.close}>
      <div className={styles["form"]}>
        <h2>{t("expiry.title")}</h2>
        <p>{t("expiry.text")}</p>
        <Select
          label={t("expiry.after")}
          value={String(after ?? 0)}
          options={[{ value: "0", label: t("expiry.never") }, ...all.map((ms) => ({ value: String(ms), label: durationText(ms, t) }))]}
          onChange={(value) => {
            setAfter(value === "0" ? undefined : Number(value));
          }}
        />
        {state === "failed" && <p role="alert">{t("inbox.failed")}</p>}
        <Button
          look="main"
          wide
          disabled={state === "busy" || after === expiry}
          onClick={() => {
            ask(() => homeserver.messages.setExpiry(desk.room, after));
          }}
        >
          {t("dialog.save")}
        </Button>
        <Button wide onClick={desk.close}>
          {t("dialog.cancel")}
        </Button>
      </div>
    </Dialog>
  );
}

/** How long the message stays that is being written. */
export function StayDialog({ desk }: { readonly desk: Desk }): ReactNode {
  const { t } = useWords();
  const { draft } = useSnapshot(desk.composer);
  return (
    <Dialog title={t("stay.title")} onClose={desk.close}>
      <div className={styles["form"]}>
        <h2>{t("stay.title")}</h2>
        <p>{t("stay.text")}</p>
        <Select
          label={t("stay.after")}
          value={String(draft.stays ?? 0)}
          options={[{ value: "0", label: t("stay.room") }, ...durations.map((ms) => ({ value: String(ms), label: durationText(ms, t) }))]}
          onChange={(value) => {
            desk.composer.stay(value === "0" ? undefined : Number(value));
          }}
        />
        <Button look="main" wide onClick={desk.close}>
          {t("stay.done")}
        </Button>
      </div>
    </Dialog>
  );
}
