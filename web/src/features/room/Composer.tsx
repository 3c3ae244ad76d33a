import { type ChangeEvent, type ClipboardEvent, type FormEvent, type KeyboardEvent, type ReactNode, useLayoutEffect, useRef } from "react";

import { useWords } from "../../i18n/words.tsx";
import { IconButton } from "../../ui/Button.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import styles from "./Composer.module.css";
import type { ComposerSnapshot, ComposerViewModel } from "./ComposerViewModel.ts";
import { useBlobUrl } from "../media/useMedia.ts";

/** Where one writes. Enter sends, Shift+Enter begins a line; where there is no real keyboard Enter begins a line too. */
export function Composer({ model }: { readonly model: ComposerViewModel }): ReactNode {
  const { t } = useWords();
  const now = useSnapshot(model);
  const field = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const { draft, picking } = now;

  useLayoutEffect(() => {
    const area = field.current;
    if (area === null) return;
    area.style.height = "auto";
    area.style.height = `${String(Math.min(area.scrollHeight, 160))}px`;
  }, [draft.text]);

  const send = (): void => {
    void model.send();
    field.current?.focus();
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    send();
  };
  const press = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing || matchMedia("(pointer: coarse)").matches) return;
    event.preventDefault();
    send();
  };
  const pick = (event: ChangeEvent<HTMLInputElement>): void => {
    const file = event.currentTarget.files?.[0];
    event.currentTarget.value = "";
    if (file !== undefined) void model.attach(file);
    field.current?.focus();
  };
  const paste = (event: ClipboardEvent): void => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (file === undefined) return;
    event.preventDefault();
    void model.attach(file);
  };

  return (
    <form className={styles["composer"]} onSubmit={submit}>
      <Attached now={now} model={model} />
      <div className={styles["line"]}>
        <input ref={picker} type="file" accept="image/*" hidden onChange={pick} data-testid="picture" />
        <IconButton
          icon="picture"
          label={t("composer.attach")}
          disabled={picking === "preparing"}
          onClick={() => {
            picker.current?.click();
          }}
        />
        <textarea
          ref={field}
          rows={1}
          dir="auto"
          aria-label={t("composer.label")}
          placeholder={t("composer.placeholder")}
          value={draft.text}
          autoFocus={matchMedia("(pointer: fine)").matches}
          onChange={(event) => {
            model.type(event.currentTarget.value);
          }}
          onKeyDown={press}
          onPaste={paste}
        />
        <IconButton icon="send" look="main" type="submit" label={t("composer.send")} disabled={!now.canSend} />
      </div>
    </form>
  );
}

function Attached({ now, model }: { readonly now: ComposerSnapshot; readonly model: ComposerViewModel }): ReactNode {
  const { t } = useWords();
  const { draft, picking } = now;
  const url = useBlobUrl(draft.picture?.thumbnail ?? draft.picture?.blob);
  if (picking === "preparing") {
    return (
      <p className={styles["attached"]} role="status">
        {t("composer.preparing")}
      </p>
    );
  }
  return (
    <>
      {picking === "unreadable" && (
        <p className={styles["fault"]} role="alert">
          {t("composer.unreadable")}
        </p>
      )}
      {draft.picture !== undefined && (
        <div className={styles["attached"]}>
          {url !== undefined && <img src={url} alt={t("message.picture", { name: draft.picture.name })} />}
          <span>{draft.picture.name}</span>
          <IconButton icon="close" label={t("composer.unattach")} onClick={model.unattach} />
        </div>
      )}
    </>
  );
}
