import { type MouseEvent, type PointerEvent, type ReactNode, type TouchEvent, useRef, useState } from "react";

import { can, perform } from "../../actions/Action.ts";
import { messageActions, reply } from "../../actions/message.ts";
import { useWords } from "../../i18n/words.tsx";
import type { MessageItem } from "../../store/model.ts";
import { IconButton } from "../../ui/Button.tsx";
import { MenuPopup } from "../../ui/MenuPopup.tsx";
import { useApp } from "../context.ts";
import type { Desk } from "./Desk.ts";
import styles from "./MessageTools.module.css";

/** The signs that are at hand; all others are in the picker. */
export const quickSigns = ["👍", "✅", "👀", "❤️", "🙏", "😂"];

/** The commands of one message: beside it for the mouse and the keyboard, behind a long press for the finger. */
export function MessageTools({ item, desk }: { readonly item: MessageItem; readonly desk: Desk }): ReactNode {
  const { t } = useWords();
  const app = useApp();
  /** Where the menu is open. */
  const [anchor, setAnchor] = useState<HTMLElement>();
  return (
    <span className={styles["tools"]} data-open={anchor !== undefined}>
      {item.body.kind !== "removed" && item.body.kind !== "waiting" && (
        <span className={styles["mouse"]}>
          <IconButton icon="reply" label={t(reply.label)} tabIndex={-1} onClick={() => void perform(app, reply, desk.target(item))} />
        </span>
      )}
      <IconButton
        icon="more"
        label={t("message.options")}
        aria-haspopup="menu"
        aria-expanded={anchor !== undefined}
        data-menu=""
        onClick={(event) => {
          setAnchor(event.currentTarget.closest<HTMLElement>("[data-line]") ?? event.currentTarget);
        }}
      />
      {anchor !== undefined && (
        <MessageMenu
          item={item}
          desk={desk}
          anchor={anchor}
          onClose={() => {
            setAnchor(undefined);
          }}
        />
      )}
    </span>
  );
}

interface MenuProps {
  readonly item: MessageItem;
  readonly desk: Desk;
  readonly anchor: HTMLElement;
  readonly onClose: () => void;
}

function MessageMenu({ item, desk, anchor, onClose }: MenuProps): ReactNode {
  const { t } = useWords();
  const app = useApp();
  const target = desk.target(item);
  const items = messageActions
    .filter((action) => can(app, action, target))
    .map((action) => ({
      id: action.id,
      label: t(action.label),
      icon: action.icon,
      danger: action.danger === true,
      hint: action.shortcuts?.[0]?.key.replace("Delete", "Del").toUpperCase(),
      onSelect: () => void perform(app, action, target),
    }));
  const readable = item.body.kind !== "removed" && item.body.kind !== "waiting";
  const signs = quickSigns.map((sign) => ({
    sign,
    label: t("reaction.add", { sign }),
    onSelect: () => void app.homeserver.messages.react(desk.room, item.id, sign).catch(() => {
      app.notices.tell("failed");
    }),
  }));
  return <MenuPopup label={t("message.options")} items={items} signs={readable ? signs : []} anchor={anchor} onClose={onClose} />;
}

const longPress = 450;
const slack = 10;

interface PressHandlers {
  readonly onPointerDown: (event: PointerEvent<HTMLElement>) => void;
  readonly onPointerMove: (event: PointerEvent<HTMLElement>) => void;
  readonly onPointerUp: () => void;
  readonly onPointerCancel: () => void;
  readonly onTouchEnd: (event: TouchEvent<HTMLElement>) => void;
  readonly onContextMenu: (event: MouseEvent<HTMLElement>) => void;
}

/** A finger that stays opens the menu of what it is on. */
export function useLongPress(): PressHandlers {
  const held = useRef<{ readonly timer: ReturnType<typeof setTimeout>; readonly x: number; readonly y: number }>(undefined);
  const touched = useRef(false);
  const opened = useRef(false);
  const end = (): void => {
    clearTimeout(held.current?.timer);
    held.current = undefined;
  };
  return {
    onPointerDown: (event) => {
      touched.current = event.pointerType === "touch";
      if (!touched.current) return;
      const element = event.currentTarget;
      opened.current = false;
      const timer = setTimeout(() => {
        opened.current = true;
        element.querySelector<HTMLElement>("[data-menu]")?.click();
      }, longPress);
      held.current = { timer, x: event.clientX, y: event.clientY };
    },
    onPointerMove: (event) => {
      const at = held.current;
      if (at !== undefined && Math.hypot(event.clientX - at.x, event.clientY - at.y) > slack) end();
    },
    onPointerUp: end,
    onPointerCancel: end,
    onTouchEnd: (event) => {
      if (opened.current) event.preventDefault(); // or the finger would press what has come under it
      opened.current = false;
    },
    onContextMenu: (event) => {
      if (touched.current) event.preventDefault(); // the browser's own would lie over ours
    },
  };
}
