import { type ComponentType, type ReactNode, useState } from "react";

import { Avatar } from "../ui/Avatar.tsx";
import { Button, IconButton } from "../ui/Button.tsx";
import { Choices } from "../ui/Choices.tsx";
import { Dialog } from "../ui/Dialog.tsx";
import { Empty } from "../ui/Empty.tsx";
import { Icon } from "../ui/Icon.tsx";
import { shapes, type IconName } from "../ui/icons.ts";
import { Logo } from "../ui/Logo.tsx";
import { Marked } from "../ui/Marked.tsx";
import { Menu } from "../ui/Menu.tsx";
import { MenuPopup } from "../ui/MenuPopup.tsx";
import { PresenceMark } from "../ui/PresenceMark.tsx";
import { SearchField } from "../ui/SearchField.tsx";
import { Select } from "../ui/Select.tsx";
import { Skeleton } from "../ui/Skeleton.tsx";
import { Switch } from "../ui/Switch.tsx";
import { TextArea } from "../ui/TextArea.tsx";
import { TextField } from "../ui/TextField.tsx";
import { Tiles } from "../ui/Tiles.tsx";
import { Toast } from "../ui/Toast.tsx";
import styles from "./stories.module.css";

/** Each component of ui/ under its own name, in the states it has. axe looks at all of them in every theme. */
export const stories: Readonly<Record<string, ComponentType>> = {
  Avatar: () => (
    <Row>
      {["Anna Weiss", "ليلى حسن", "Dr. Ben Okafor", "Chiara"].map((name) => (
        <Avatar key={name} id={name} name={name} />
      ))}
      <Avatar id="ward" name="Ward 3" group />
      <Avatar id="a" name="Anna Weiss" size="small" />
      <Avatar id="a" name="Anna Weiss" size="large" />
    </Row>
  ),
  Button: () => (
    <Row>
      <Button look="main">Send</Button>
      <Button icon="write">New conversation</Button>
      <Button look="quiet">Later</Button>
      <Button look="danger" icon="leave">
        Sign out
      </Button>
      <Button disabled>Not now</Button>
      <IconButton icon="search" label="Search" hint="Ctrl+K" />
      <IconButton icon="send" label="Send" look="main" />
      <IconButton icon="arrowDown" label="Newest" look="raised" />
      <IconButton icon="send" label="Send later" disabled />
    </Row>
  ),
  Choices: () => <Held first="all">{(value, set) => <Choices label="Tell me about" value={value} options={[{ value: "all", label: "Everything", text: "Each message" }, { value: "none", label: "Nothing" }]} onChange={set} hint="For this room" />}</Held>,
  Dialog: () => (
    <Opened label="Open the dialog">
      {(close) => (
        <Dialog title="Leave" onClose={close}>
          <p>Leave this conversation?</p>
          <Button wide onClick={close}>
            Stay
          </Button>
        </Dialog>
      )}
    </Opened>
  ),
  Empty: () => (
    <Empty title="No conversations yet" text="Find a colleague and write the first message.">
      <Button look="main">New conversation</Button>
    </Empty>
  ),
  Icon: () => (
    <Row>
      {Object.keys(shapes).map((name) => (
        <Icon key={name} name={name as IconName} />
      ))}
    </Row>
  ),
  Logo: () => (
    <Row>
      <Logo />
      <Logo size={56} />
    </Row>
  ),
  Marked: () => (
    <>
      <p>
        <Marked pieces={[{ text: "…and the ", hit: false }, { text: "troponin", hit: true }, { text: " of bed 12 is back", hit: false }]} />
      </p>
      <p>
        <Marked pieces={[{ text: "الحُمّى", hit: true }, { text: " مرتفعة منذ الظهر", hit: false }]} />
      </p>
    </>
  ),
  Menu: () => (
    <Menu
      label="More"
      icon="menu"
      items={[
        { id: "reply", label: "Reply", icon: "back", hint: "R", onSelect: nothing },
        { id: "copy", label: "Copy", onSelect: nothing },
        { id: "delete", label: "Delete", icon: "close", danger: true, onSelect: nothing },
      ]}
    />
  ),
  MenuPopup: () => (
    <Anchored label="React">
      {(anchor, close) => (
        <MenuPopup
          label="Message"
          anchor={anchor}
          signs={[{ sign: "👍", label: "Yes", onSelect: nothing }, { sign: "✅", label: "Done", onSelect: nothing }]}
          items={[{ id: "answer", label: "Answer", icon: "back", hint: "R", onSelect: nothing }]}
          onClose={close}
        />
      )}
    </Anchored>
  ),
  PresenceMark: () => (
    <Row>
      <PresenceMark presence="online" label="There" />
      <PresenceMark presence="away" label="Away" />
      <PresenceMark presence="offline" label="Not there" />
    </Row>
  ),
  SearchField: () => <Held first="cardio">{(value, set) => <SearchField label="Search people" clearLabel="Clear" value={value} onChange={set} />}</Held>,
  Select: () => <Held first="en">{(value, set) => <Select label="Language" value={value} options={[{ value: "en", label: "English" }, { value: "ar", label: "العربية" }]} onChange={set} />}</Held>,
  Skeleton: () => <Skeleton rows={2} label="Loading" />,
  Switch: () => (
    <>
      <Held first="on">{(value, set) => <Switch label="Sound" hint="When something new comes" on={value === "on"} onChange={(on) => { set(on ? "on" : "off"); }} />}</Held>
      <Switch label="Locked" on={false} disabled onChange={nothing} />
    </>
  ),
  TextArea: () => <Held first="">{(value, set) => <TextArea label="Reason" value={value} onChange={(event) => { set(event.currentTarget.value); }} />}</Held>,
  TextField: () => <Held first="">{(value, set) => <TextField label="Name of the group" hint="For example: Ward 3" value={value} onChange={(event) => { set(event.currentTarget.value); }} />}</Held>,
  Tiles: () => <Held first="light">{(value, set) => <Tiles label="Look" value={value} options={[{ value: "light", label: "Light", icon: "sun" }, { value: "dark", label: "Dark", icon: "moon" }]} onChange={set} />}</Held>,
  Toast: () => (
    <Opened label="Show the line">{() => <Toast text="Saved" />}</Opened>
  ),
};

function nothing(): void {
  // a story does not act
}

function Row({ children }: { readonly children: ReactNode }): ReactNode {
  return <div className={styles["row"]}>{children}</div>;
}

/** A component that somebody can change. */
function Held({ first, children }: { readonly first: string; readonly children: (value: string, set: (value: string) => void) => ReactNode }): ReactNode {
  const [value, set] = useState(first);
  return children(value, set);
}

/** Something that belongs to the button that opens it. */
function Anchored({ label, children }: { readonly label: string; readonly children: (anchor: HTMLElement, close: () => void) => ReactNode }): ReactNode {
  const [anchor, setAnchor] = useState<HTMLElement>();
  return (
    <>
      <Button
        onClick={(event) => {
          setAnchor(event.currentTarget);
        }}
      >
        {label}
      </Button>
      {anchor !== undefined &&
        children(anchor, () => {
          setAnchor(undefined);
        })}
    </>
  );
}

/** Something over the page, behind a button. */
function Opened({ label, children }: { readonly label: string; readonly children: (close: () => void) => ReactNode }): ReactNode {
  const [open, setOpen] = useState(false);
  const close = (): void => {
    setOpen(false);
  };
  return (
    <>
      <Button
        onClick={() => {
          setOpen(true);
        }}
      >
        {label}
      </Button>
      {open && children(close)}
    </>
  );
}
