import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Avatar } from "../../ui/Avatar.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Icon } from "../../ui/Icon.tsx";
import { useViewModel } from "../context.ts";
import { Keys } from "../Keys.tsx";
import styles from "./PaletteView.module.css";
import { PaletteViewModel, type PaletteItem } from "./PaletteViewModel.ts";

/** The command palette: a combobox over a list of conversations, people and commands. */
export function PaletteView(): ReactNode {
  const { t } = useWords();
  const id = useId();
  const [model, now] = useViewModel((app) => new PaletteViewModel(app, t));
  const press = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") model.move(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Enter") void model.take(now.items[now.active]);
    else return;
    event.preventDefault();
  };
  const idOf = (index: number): string => `${id}-${String(index)}`;
  return (
    <Dialog title={t("action.palette")} onClose={model.close} look="top">
      <div className={styles["field"]}>
        <Icon name="search" />
        <input
          type="text"
          role="combobox"
          aria-expanded="true"
          aria-controls={id}
          aria-autocomplete="list"
          aria-activedescendant={now.items.length > 0 ? idOf(now.active) : undefined}
          aria-label={t("palette.label")}
          placeholder={t("palette.label")}
          autoComplete="off"
          spellCheck={false}
          value={now.term}
          onChange={(event) => {
            model.type(event.currentTarget.value);
          }}
          onKeyDown={press}
        />
      </div>
      <ul id={id} className={styles["items"]} role="listbox" aria-label={t("palette.found")}>
        {now.items.map((item, index) => (
          <Line key={`${item.kind}-${item.id}`} id={idOf(index)} item={item} term={now.term} active={index === now.active} onTake={() => void model.take(item)} />
        ))}
      </ul>
      <p className={styles["nothing"]} role="status">
        {now.items.length === 0 && (now.search === "searching" ? t("inbox.searching") : t("inbox.nothing", { term: now.term }))}
      </p>
    </Dialog>
  );
}

interface LineProps {
  readonly id: string;
  readonly item: PaletteItem;
  readonly term: string;
  readonly active: boolean;
  readonly onTake: () => void;
}

function Line({ id, item, term, active, onTake }: LineProps): ReactNode {
  const line = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (active) line.current?.scrollIntoView({ block: "nearest" });
  }, [active]);
  return (
    <li ref={line} id={id} role="option" aria-selected={active} className={styles["item"]} onClick={onTake}>
      <What item={item} term={term} />
    </li>
  );
}

function What({ item, term }: { readonly item: PaletteItem; readonly term: string }): ReactNode {
  const { t } = useWords();
  switch (item.kind) {
    case "room":
      return (
        <>
          <Avatar id={item.room.direct?.id ?? item.room.id} name={item.room.name} group={item.room.direct === undefined} size="small" />
          <span dir="auto">{item.room.name === "" ? t("room.unnamed") : item.room.name}</span>
        </>
      );
    case "person":
      return (
        <>
          <Avatar id={item.person.id} name={item.person.name} size="small" />
          <span dir="auto">{item.person.name}</span>
          <small>{t("palette.person")}</small>
        </>
      );
    case "messages":
      return (
        <>
          <span className={styles["icon"]}>
            <Icon name="search" />
          </span>
          <span>{t("search.for", { term: term.trim() })}</span>
        </>
      );
    case "action":
      return (
        <>
          <span className={styles["icon"]}>
            <Icon name={item.action.icon} />
          </span>
          <span>{t(item.action.label)}</span>
          {item.action.shortcuts?.[0] !== undefined && <Keys shortcut={item.action.shortcuts[0]} />}
        </>
      );
  }
}
