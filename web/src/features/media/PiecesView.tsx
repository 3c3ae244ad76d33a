import { type ReactNode, useId } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import type { PictureSize } from "../../store/media.ts";
import { Button, IconButton } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Icon } from "../../ui/Icon.tsx";
import type { AttachSnapshot, AttachViewModel, Piece } from "./AttachViewModel.ts";
import { EditorView } from "./EditorView.tsx";
import { PriorityMark } from "../room/PriorityView.tsx";
import styles from "./PiecesView.module.css";
import { Player } from "./Player.tsx";
import { useBlobUrl } from "./useMedia.ts";
import { sizeOf } from "./words.ts";

export interface PiecesProps {
  readonly model: AttachViewModel;
  readonly now: AttachSnapshot;
  readonly onMore: () => void;
}

const sizes: readonly (readonly [PictureSize, Word])[] = [
  ["small", "attach.small"],
  ["normal", "attach.normal"],
  ["full", "attach.full"],
];

/** What is about to be sent: looked at, edited, named, and only then sent. */
export function PiecesView({ model, now, onMore }: PiecesProps): ReactNode {
  const words = useWords();
  const { t } = words;
  const size = useId();
  const { chosen, pieces, canSend } = now;
  if (chosen === undefined) return null;
  const pictures = pieces.some((piece) => isPicture(piece));
  return (
    <Dialog title={t("attach.title")} onClose={model.discard} look="full">
      <div className={styles["pieces"]}>
        <header>
          <IconButton icon="close" label={t("attach.close")} onClick={model.discard} />
          <h2 dir="auto">{chosen.ready?.name ?? chosen.original.name}</h2>
          <span className={styles["facts"]} role="status">
            {chosen.ready === undefined ? chosen.fault === undefined && t("attach.preparing") : sizeOf(chosen.ready.blob.size, words)}
          </span>
        </header>
        <Chosen key={chosen.id} piece={chosen} model={model} limit={now.limit} />
        <footer>
          {now.priority !== undefined && <PriorityMark priority={now.priority} />}
          {pieces.length > 1 && <Strip model={model} now={now} />}
          {now.full && <p role="alert">{t("attach.noRoom")}</p>}
          <div className={styles["caption"]}>
            <IconButton icon="plus" label={t("attach.more")} onClick={onMore} />
            <input
              key={chosen.id}
              dir="auto"
              aria-label={t("attach.caption")}
              placeholder={t("attach.caption")}
              value={chosen.caption}
              autoFocus={matchMedia("(pointer: fine)").matches}
              onChange={(event) => {
                model.caption(chosen.id, event.currentTarget.value);
              }}
              onKeyDown={(event) => {
                if (event.key === "Enter" && !event.nativeEvent.isComposing) void model.send();
              }}
            />
          </div>
          <div className={styles["send"]}>
            {pictures && (
              <label htmlFor={size}>
                <span>{t("attach.size")}</span>
                <select id={size} value={now.size} onChange={(event) => void model.resize(event.currentTarget.value as PictureSize)}>
                  {sizes.map(([value, word]) => (
                    <option key={value} value={value}>
                      {t(word)}
                    </option>
                  ))}
                </select>
              </label>
            )}
            {pictures && <p>{t("attach.clean")}</p>}
            <Button look="main" icon="send" disabled={!canSend} onClick={() => void model.send()}>
              {t("attach.send", { count: pieces.length })}
            </Button>
          </div>
        </footer>
      </div>
    </Dialog>
  );
}

function isPicture({ original, as }: Piece): boolean {
  return as === "media" && original.type.startsWith("image/") && original.type !== "image/svg+xml";
}

interface ChosenProps {
  readonly piece: Piece;
  readonly model: AttachViewModel;
  readonly limit: number | undefined;
}

function Chosen({ piece, model, limit }: ChosenProps): ReactNode {
  const words = useWords();
  const { t } = words;
  const { ready, fault, original } = piece;
  const url = useBlobUrl(ready?.as === "video" || ready?.as === "audio" ? ready.blob : undefined);
  if (fault !== undefined) {
    return (
      <div className={styles["stage"]}>
        <p className={styles["fault"]} role="alert">
          <Icon name="alert" size={22} />
          {fault === "tooLarge" ? t("attach.tooLarge", { limit: sizeOf(limit ?? 0, words) }) : t(faultWord[fault])}
        </p>
      </div>
    );
  }
  if (isPicture(piece) && original.type !== "image/gif") return <EditorView piece={piece} model={model} />;
  return (
    <div className={styles["stage"]}>
      {ready?.as === "picture" && <Still blob={ready.blob} name={ready.name} />}
      {ready?.as === "video" && url !== undefined && <video src={url} controls playsInline aria-label={t("media.video", { name: ready.name })} />}
      {ready?.as === "audio" && url !== undefined && (
        <div className={styles["card"]}>
          <Player label={ready.name} name={ready.name} url={url} state="ready" duration={ready.duration} waveform={[]} />
        </div>
      )}
      {ready?.as === "file" && (
        <p className={styles["card"]}>
          <Icon name="file" size={28} />
          <span dir="auto">{ready.name}</span>
        </p>
      )}
    </div>
  );
}

const faultWord: Record<Exclude<Piece["fault"], undefined | "tooLarge">, Word> = {
  heic: "attach.heic",
  unreadable: "attach.unreadable",
  empty: "attach.empty",
};

function Still({ blob, name }: { readonly blob: Blob; readonly name: string }): ReactNode {
  const { t } = useWords();
  const url = useBlobUrl(blob);
  return <img src={url} alt={t("message.picture", { name })} />;
}

function Strip({ model, now }: { readonly model: AttachViewModel; readonly now: AttachSnapshot }): ReactNode {
  const { t } = useWords();
  return (
    <ul className={styles["strip"]} aria-label={t("attach.pieces")}>
      {now.pieces.map((piece) => (
        <li key={piece.id} data-chosen={piece.id === now.chosen?.id}>
          <button
            type="button"
            aria-label={piece.original.name}
            aria-current={piece.id === now.chosen?.id}
            data-fault={piece.fault !== undefined}
            onClick={() => {
              model.choose(piece.id);
            }}
          >
            <Tiny piece={piece} />
          </button>
          <IconButton
            icon="close"
            label={t("attach.remove", { name: piece.original.name })}
            onClick={() => {
              model.remove(piece.id);
            }}
          />
        </li>
      ))}
    </ul>
  );
}

function Tiny({ piece: { ready, fault } }: { readonly piece: Piece }): ReactNode {
  const url = useBlobUrl(ready?.as === "picture" || ready?.as === "video" ? (ready.thumbnail ?? ready.blob) : undefined);
  if (fault !== undefined) return <Icon name="alert" />;
  return url !== undefined && ready?.blob !== undefined && (ready.as === "picture" || ready.thumbnail !== undefined) ? <img src={url} alt="" /> : <Icon name="file" />;
}
