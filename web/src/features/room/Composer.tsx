import { type FormEvent, type KeyboardEvent, memo, type ReactNode, useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import { useIntl } from "react-intl";

import { pressed, type Shortcut } from "../../actions/shortcut.ts";
import { useWords } from "../../i18n/words.tsx";
import { IconButton } from "../../ui/Button.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import { Attach } from "../media/Attach.tsx";
import { About, Staying } from "./About.tsx";
import styles from "./Composer.module.css";
import type { ComposerViewModel } from "./ComposerViewModel.ts";
import type { Desk } from "./Desk.ts";
import { FormatBar } from "./FormatBar.tsx";
import type { Chosen, Format } from "./formatting.ts";
import { PriorityBand, PriorityMenu } from "./PriorityView.tsx";
import { Suggestions } from "./Suggestions.tsx";
import { useMoreItems } from "./useMoreItems.ts";

const formats: readonly (readonly [Format, Shortcut])[] = [
  ["bold", { key: "b", mod: true }],
  ["italic", { key: "i", mod: true }],
  ["code", { key: "e", mod: true }],
  ["link", { key: "l", mod: true, shift: true }],
  ["numbers", { key: "7", mod: true, shift: true }],
  ["list", { key: "8", mod: true, shift: true }],
  ["quote", { key: "9", mod: true, shift: true }],
];

/** Where one writes. Enter sends, Shift+Enter begins a line; where there is no real keyboard Enter begins a line too. */
export const Composer = memo(function Composer({ desk, focus }: { readonly desk: Desk; readonly focus: boolean }): ReactNode {
  const { t } = useWords();
  const { locale } = useIntl();
  const model = desk.composer;
  const now = useSnapshot(model);
  const field = useRef<HTMLTextAreaElement>(null);
  const list = useId();
  const [bar, setBar] = useState(false);
  const more = useMoreItems(desk, bar, setBar);
  const { draft, suggestions, caret, about } = now;

  useEffect(() => {
    model.speak(locale);
  }, [model, locale]);
  useLayoutEffect(() => {
    const area = field.current;
    if (area === null) return;
    area.style.height = "auto";
    area.style.height = `${String(Math.min(area.scrollHeight, 160))}px`;
  }, [draft.text]);
  useLayoutEffect(() => {
    const area = field.current;
    if (area !== null && area === document.activeElement) area.setSelectionRange(area.value.length, area.value.length); // one goes on writing
  }, []);
  useLayoutEffect(() => {
    if (caret === undefined) return;
    field.current?.focus();
    field.current?.setSelectionRange(caret.start, caret.end);
  }, [caret]);

  const chosen = (): Chosen => ({ text: draft.text, start: field.current?.selectionStart ?? draft.text.length, end: field.current?.selectionEnd ?? draft.text.length });
  const send = (): void => {
    void model.send();
    field.current?.focus();
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    send();
  };
  const press = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.nativeEvent.isComposing) return;
    const how = formats.find(([, shortcut]) => pressed(shortcut, event))?.[0];
    if (how !== undefined) model.format(chosen(), how);
    else if (suggestions.length > 0 && choosing(event, model)) return;
    else if (event.key === "Escape" && about !== undefined) model.leaveAbout();
    else if (event.key === "ArrowUp" && draft.text === "" && model.editLast()) event.preventDefault();
    else if (event.key === "Enter" && !event.shiftKey && !matchMedia("(pointer: coarse)").matches) send();
    else return;
    event.preventDefault();
  };
  const open = suggestions.length > 0;
  return (
    <form className={styles["composer"]} onSubmit={submit}>
      {open && <Suggestions id={list} now={now} onChoose={model.choose} />}
      {(draft.reply !== undefined || draft.edit !== undefined) && <About now={now} onClose={model.leaveAbout} />}
      {draft.priority !== undefined && draft.edit === undefined && (
        <PriorityBand
          priority={draft.priority}
          onClose={() => {
            model.prioritize(undefined);
          }}
        />
      )}
      {draft.stays !== undefined && draft.edit === undefined && (
        <Staying
          after={draft.stays}
          onClose={() => {
            model.stay(undefined);
          }}
        />
      )}
      {now.excess > 0 && (
        <p className={styles["fault"]} role="alert">
          {t("composer.tooLong", { count: now.excess })}
        </p>
      )}
      {now.notKept && (
        <p className={styles["fault"]} role="alert">
          {t("composer.notKept")}
        </p>
      )}
      {bar && (
        <FormatBar
          onFormat={(how) => {
            model.format(chosen(), how);
          }}
          onEmoji={(sign) => {
            model.insert(sign, chosen());
          }}
        />
      )}
      <div className={styles["line"]}>
        <Attach room={desk.room} thread={desk.thread} everywhere={desk.thread === undefined} more={more} />
        {draft.edit === undefined && <PriorityMenu model={model} />}
        <textarea
          ref={field}
          rows={1}
          dir="auto"
          aria-label={t(desk.thread === undefined ? "composer.label" : "composer.threadLabel")}
          placeholder={t(now.expiry === undefined ? "composer.placeholder" : "composer.placeholderExpiry")}
          value={draft.text}
          autoFocus={focus && matchMedia("(pointer: fine)").matches}
          aria-controls={open ? list : undefined}
          aria-autocomplete="list"
          aria-activedescendant={open ? `${list}-${String(now.active)}` : undefined}
          onChange={(event) => {
            model.type(event.currentTarget.value, event.currentTarget.selectionStart);
          }}
          onKeyDown={press}
          onBlur={model.dismiss}
        />
        <IconButton icon={draft.edit === undefined ? "send" : "tick"} look="main" type="submit" label={t(draft.edit === undefined ? "composer.send" : "composer.saveEdit")} disabled={!now.canSend} />
      </div>
    </form>
  );
});

/** The keys of an open list of suggestions; false for every other. */
function choosing(event: KeyboardEvent, model: ComposerViewModel): boolean {
  switch (event.key) {
    case "ArrowDown":
      model.moveChoice(1);
      break;
    case "ArrowUp":
      model.moveChoice(-1);
      break;
    case "Tab":
    case "Enter":
      model.choose();
      break;
    case "Escape":
      model.dismiss();
      break;
    default:
      return false;
  }
  event.preventDefault();
  return true;
}
