import { type FormEvent, type KeyboardEvent, type ReactNode, useLayoutEffect, useRef } from "react";

import { useWords } from "../../i18n/words.tsx";
import { IconButton } from "../../ui/Button.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { Attach } from "../media/Attach.tsx";
import styles from "./Composer.module.css";
import type { ComposerViewModel } from "./ComposerViewModel.ts";

/** Where one writes. Enter sends, Shift+Enter begins a line; where there is no real keyboard Enter begins a line too. */
export function Composer({ model }: { readonly model: ComposerViewModel }): ReactNode {
  const { t } = useWords();
  const now = useSnapshot(model);
  const field = useRef<HTMLTextAreaElement>(null);
  const { draft } = now;

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
  return (
    <form className={styles["composer"]} onSubmit={submit}>
      <div className={styles["line"]}>
        <Attach room={model.room} />
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
        />
        <IconButton icon="send" look="main" type="submit" label={t("composer.send")} disabled={!now.canSend} />
      </div>
    </form>
  );
}
