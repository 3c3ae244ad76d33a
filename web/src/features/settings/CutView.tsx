import { type KeyboardEvent, type PointerEvent, type ReactNode, useEffect, useRef, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { cutOut, maxZoom, moved, squareOf, wholeCut } from "./cut.ts";
import styles from "./settings.module.css";

export interface CutViewProps {
  readonly file: File;
  readonly onCut: (picture: Blob) => void;
  readonly onCancel: () => void;
}

type Opened = ImageBitmap | "opening" | "unreadable";

const arrows: Readonly<Record<string, { readonly x?: number; readonly y?: number }>> = {
  ArrowLeft: { x: -0.05 },
  ArrowRight: { x: 0.05 },
  ArrowUp: { y: -0.05 },
  ArrowDown: { y: 0.05 },
};

/** Chooses the square of a picture that others will see: dragged, or moved with the arrow keys, and zoomed. */
export function CutView({ file, onCut, onCancel }: CutViewProps): ReactNode {
  const { t } = useWords();
  const [picture, setPicture] = useState<Opened>("opening");
  useEffect(() => {
    let there = true;
    createImageBitmap(file, { imageOrientation: "from-image" }).then(
      (opened) => {
        if (there) setPicture(opened);
      },
      () => {
        if (there) setPicture("unreadable");
      },
    );
    return () => {
      there = false;
    };
  }, [file]);
  return (
    <Dialog title={t("profile.cut")} onClose={onCancel}>
      <div className={styles["sure"]}>
        <h2>{t("profile.cut")}</h2>
        {picture === "unreadable" && <p role="alert">{t("attach.unreadable")}</p>}
        {typeof picture === "object" && <Cutter picture={picture} onCut={onCut} />}
        <Button wide onClick={onCancel}>
          {t("settings.cancel")}
        </Button>
      </div>
    </Dialog>
  );
}

function Cutter({ picture, onCut }: { readonly picture: ImageBitmap; readonly onCut: (picture: Blob) => void }): ReactNode {
  const { t } = useWords();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [cut, setCut] = useState(wholeCut);
  const move = (by: Parameters<typeof moved>[1]): void => {
    setCut((now) => moved(now, by, picture.width, picture.height));
  };
  useEffect(() => {
    const shown = canvas.current;
    const context = shown?.getContext("2d");
    if (shown === null || context === null || context === undefined) return;
    const { left, top, size } = squareOf(cut, picture.width, picture.height);
    context.clearRect(0, 0, shown.width, shown.height);
    context.drawImage(picture, left, top, size, size, 0, 0, shown.width, shown.height);
  }, [picture, cut]);
  const drag = (event: PointerEvent<HTMLCanvasElement>): void => {
    if (event.buttons !== 1) return;
    const { clientWidth: width } = event.currentTarget;
    move({ x: -event.movementX / width, y: -event.movementY / width });
  };
  const press = (event: KeyboardEvent): void => {
    const by = arrows[event.key];
    if (by === undefined) return;
    event.preventDefault();
    move(by);
  };
  return (
    <>
      <canvas
        ref={canvas}
        className={styles["cut"]}
        width={480}
        height={480}
        role="application"
        tabIndex={0}
        aria-label={t("profile.cutHint")}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={drag}
        onKeyDown={press}
      />
      <label className={styles["zoom"]}>
        <span>{t("profile.zoom")}</span>
        <input
          type="range"
          min={1}
          max={maxZoom}
          step={0.05}
          value={cut.zoom}
          onChange={(event) => {
            move({ zoom: event.currentTarget.valueAsNumber });
          }}
        />
      </label>
      <Button look="main" wide onClick={() => void cutOut(picture, cut).then(onCut)}>
        {t("profile.use")}
      </Button>
    </>
  );
}
