import { type ChangeEvent, type ReactNode, type RefObject, useEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";

import { useWords } from "../../i18n/words.tsx";
import type { RoomId } from "../../store/model.ts";
import { Icon } from "../../ui/Icon.tsx";
import { Menu } from "../../ui/Menu.tsx";
import type { MenuItem } from "../../ui/MenuPopup.tsx";
import { useViewModel } from "../context.ts";
import styles from "./Attach.module.css";
import { AttachViewModel, type Piece } from "./AttachViewModel.ts";
import { CameraView } from "./CameraView.tsx";
import { edited } from "./draw.ts";
import { PiecesView } from "./PiecesView.tsx";
import { VoiceView } from "./VoiceView.tsx";

export interface AttachProps {
  readonly room: RoomId;
  /** The thread that it goes into. */
  readonly thread?: string | undefined;
  /** Takes also what is dropped or pasted outside of every form. At most one of a page does. */
  readonly everywhere?: boolean;
  /** What else may be added to the conversation. */
  readonly more?: readonly MenuItem[];
}

/** Everything besides words: a menu, and files that are pasted or dropped. Stands in the form where one writes. */
export function Attach({ room, thread, everywhere = true, more = [] }: AttachProps): ReactNode {
  const { t } = useWords();
  const [model, now] = useViewModel((app) => new AttachViewModel(app, room, edited, thread));
  const media = useRef<HTMLInputElement>(null);
  const file = useRef<HTMLInputElement>(null);
  const over = useFiles(media, everywhere, (files) => void model.add(files));
  const pick =
    (as: Piece["as"]) =>
    (event: ChangeEvent<HTMLInputElement>): void => {
      void model.add([...(event.currentTarget.files ?? [])], as);
      event.currentTarget.value = "";
    };
  const items: readonly MenuItem[] = [
    { id: "camera", label: t("attach.camera"), icon: "camera", onSelect: model.openCamera },
    { id: "media", label: t("attach.media"), icon: "picture", onSelect: () => media.current?.click() },
    { id: "file", label: t("attach.file"), icon: "file", onSelect: () => file.current?.click() },
    { id: "voice", label: t("attach.voice"), icon: "mic", onSelect: model.openVoice },
    ...more,
  ];
  return (
    <>
      <input ref={media} type="file" accept="image/*,video/*,audio/*" multiple hidden onChange={pick("media")} data-testid="media" />
      <input ref={file} type="file" multiple hidden onChange={pick("file")} data-testid="file" />
      <Menu label={t("attach.menu")} icon="attach" items={items} />
      {over && (
        <div className={styles["over"]} aria-hidden="true">
          <p>
            <Icon name="attach" size={28} />
            {t("attach.drop")}
          </p>
        </div>
      )}
      {/* Outside of the form that this stands in: what is written there is not part of the message. */}
      {createPortal(
        <>
          {now.open === "pieces" && <PiecesView model={model} now={now} onMore={() => media.current?.click()} />}
          {now.open === "camera" && <CameraView onTaken={(taken) => void model.add([taken])} onClose={model.back} />}
          {now.open === "voice" && <VoiceView priority={now.priority} busy={now.busy} full={now.full} unmade={now.unmade} onSend={(...recorded) => void model.sendVoice(...recorded)} onClose={model.back} />}
        </>,
        document.body,
      )}
    </>
  );
}

/** Takes files pasted or dropped in this form, or `everywhere` but in another; says whether some are held over it. */
function useFiles(inside: RefObject<HTMLElement | null>, everywhere: boolean, onFiles: (files: readonly File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const take = useRef(onFiles);
  useEffect(() => {
    take.current = onFiles;
  });
  useEffect(() => {
    const ours = ({ target }: Event): boolean => {
      const form = target instanceof Element ? target.closest("form") : null;
      return form === null ? everywhere : form.contains(inside.current);
    };
    const carries = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") === true;
    const listeners = {
      dragover: (event: DragEvent) => {
        if (!carries(event)) return;
        event.preventDefault(); // or the browser would leave the app to show the file
        setOver(ours(event));
      },
      dragleave: (event: DragEvent) => {
        if (event.relatedTarget === null) setOver(false);
      },
      drop: (event: DragEvent) => {
        setOver(false);
        if (!carries(event)) return;
        event.preventDefault();
        if (ours(event)) take.current([...(event.dataTransfer?.files ?? [])]);
      },
      paste: (event: ClipboardEvent) => {
        const files = [...(event.clipboardData?.files ?? [])];
        if (files.length === 0 || !ours(event)) return;
        event.preventDefault();
        take.current(files);
      },
    };
    const names = ["dragover", "dragleave", "drop", "paste"] as const;
    for (const name of names) document.addEventListener(name, listeners[name] as EventListener);
    return () => {
      for (const name of names) document.removeEventListener(name, listeners[name] as EventListener);
    };
  }, [inside, everywhere]);
  return over;
}
