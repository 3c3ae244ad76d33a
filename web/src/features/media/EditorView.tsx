import { type KeyboardEvent, type PointerEvent, type ReactNode, useEffect, useId, useMemo, useRef, useState } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import type { IconName } from "../../ui/icons.ts";
import { Button, IconButton } from "../../ui/Button.tsx";
import type { AttachViewModel, Piece } from "./AttachViewModel.ts";
import { drawArrow, open, render } from "./draw.ts";
import styles from "./EditorView.module.css";
import { boxOf, firstArea, isMeant, moved, type Area, type Point, type Tool } from "./marks.ts";

const tools: readonly (readonly [Tool, IconName, Word])[] = [
  ["blur", "blur", "edit.blur"],
  ["arrow", "arrow", "edit.arrow"],
  ["crop", "crop", "edit.crop"],
];
/** How far an arrow key goes, as a part of the picture. */
const step = 0.02;
/** No screen shows more. */
const shownSide = 1600;

/** A picture with tools: hide a part, point at one, cut, turn. By finger, mouse or keyboard, each taken back by undo. */
export function EditorView({ piece, model }: { readonly piece: Piece; readonly model: AttachViewModel }): ReactNode {
  const { t } = useWords();
  const help = useId();
  const canvas = useRef<HTMLCanvasElement>(null);
  const bitmap = useBitmap(piece.original);
  const [tool, setTool] = useState<Tool>();
  const [area, setArea] = useState<Area>();
  const { id, marks } = piece;
  const picture = useMemo(() => (bitmap === undefined ? undefined : render(bitmap, marks)), [bitmap, marks]);

  useEffect(() => {
    if (canvas.current !== null && picture !== undefined) show(canvas.current, picture, tool, area);
  }, [picture, tool, area]);

  const take = (next: Tool): void => {
    const same = next === tool;
    setTool(same ? undefined : next);
    setArea(same ? undefined : firstArea);
    if (!same) canvas.current?.focus();
  };
  const leave = (): void => {
    setTool(undefined);
    setArea(undefined);
  };
  const apply = (done: Area | undefined): void => {
    if (tool === undefined || done === undefined) return;
    if (isMeant(tool, done)) void model.mark(id, { kind: tool, area: done });
    leave();
  };
  const press = (event: KeyboardEvent): void => {
    if (tool === undefined || area === undefined) return;
    const by = directions[event.key];
    if (by !== undefined) setArea(moved(area, by, event.shiftKey));
    else if (event.key === "Enter") apply(area);
    else if (event.key === "Escape") leave();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const drag = useDrag(tool !== undefined, setArea, apply);
  const box = area === undefined ? undefined : boxOf(area);
  const percent = (part: number): number => Math.round(part * 100);

  return (
    <div className={styles["editor"]}>
      <div className={styles["tools"]} role="toolbar" aria-label={t("edit.tools")}>
        {tools.map(([name, icon, word]) => (
          <IconButton
            key={name}
            icon={icon}
            label={t(word)}
            look={tool === name ? "main" : "quiet"}
            aria-pressed={tool === name}
            disabled={picture === undefined}
            onClick={() => {
              take(name);
            }}
          />
        ))}
        <IconButton icon="turn" label={t("edit.turn")} disabled={picture === undefined} onClick={() => void model.mark(id, { kind: "turn" })} />
        <IconButton icon="undo" label={t("edit.undo")} disabled={marks.length === 0} onClick={() => void model.undo(id)} />
        {tool !== undefined && (
          <Button
            look="main"
            icon="tick"
            onClick={() => {
              apply(area);
            }}
          >
            {t("edit.apply")}
          </Button>
        )}
      </div>
      <div className={styles["stage"]}>
        <canvas
          ref={canvas}
          role={tool === undefined ? "img" : "application"}
          aria-label={tool === undefined ? t("message.picture", { name: piece.original.name }) : t("edit.picture")}
          aria-describedby={tool === undefined ? undefined : help}
          data-tool={tool}
          tabIndex={tool === undefined ? -1 : 0}
          onKeyDown={press}
          {...drag}
        />
      </div>
      <p id={help} className={styles["help"]} hidden={tool === undefined}>
        {t("edit.help")}
      </p>
      <p className={styles["unseen"]} role="status">
        {tool !== undefined && box !== undefined && t("edit.at", { left: percent(box.left), top: percent(box.top), right: percent(box.left + box.width), bottom: percent(box.top + box.height) })}
      </p>
    </div>
  );
}

const directions: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -step, y: 0 },
  ArrowRight: { x: step, y: 0 },
  ArrowUp: { x: 0, y: -step },
  ArrowDown: { x: 0, y: step },
};

/** The points of a file as long as it is shown. */
function useBitmap(file: File): ImageBitmap | undefined {
  const [bitmap, setBitmap] = useState<ImageBitmap>();
  useEffect(() => {
    let gone = false;
    let opened: ImageBitmap | undefined;
    void open(file).then((next) => {
      opened = next;
      if (gone) next?.close();
      else setBitmap(next);
    });
    return () => {
      gone = true;
      opened?.close();
    };
  }, [file]);
  return bitmap;
}

type Drag = Record<"onPointerDown" | "onPointerMove" | "onPointerUp" | "onPointerCancel", (event: PointerEvent<HTMLCanvasElement>) => void>;

/** An area drawn with finger or mouse. */
function useDrag(armed: boolean, onMove: (area: Area) => void, onEnd: (area: Area) => void): Drag {
  const from = useRef<Point>(undefined);
  const at = ({ currentTarget, clientX, clientY }: PointerEvent<HTMLCanvasElement>): Point => {
    const { left, top, width, height } = currentTarget.getBoundingClientRect();
    return { x: Math.max(0, Math.min(1, (clientX - left) / width)), y: Math.max(0, Math.min(1, (clientY - top) / height)) };
  };
  return {
    onPointerDown: (event) => {
      if (!armed || event.button !== 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      from.current = at(event);
    },
    onPointerMove: (event) => {
      if (from.current !== undefined) onMove({ from: from.current, to: at(event) });
    },
    onPointerUp: (event) => {
      if (from.current !== undefined) onEnd({ from: from.current, to: at(event) });
      from.current = undefined;
    },
    onPointerCancel: () => {
      from.current = undefined;
    },
  };
}

/** Draws the picture as it stands, and what the tool would do to it. */
function show(canvas: HTMLCanvasElement, picture: OffscreenCanvas, tool: Tool | undefined, area: Area | undefined): void {
  const scale = Math.min(1, shownSide / Math.max(picture.width, picture.height));
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.drawImage(picture, 0, 0, width, height);
  if (tool === undefined || area === undefined) return;
  if (tool === "arrow") {
    drawArrow(context, area, width, height);
    return;
  }
  const box = boxOf(area);
  const [left, top, wide, high] = [box.left * width, box.top * height, box.width * width, box.height * height];
  context.fillStyle = tool === "blur" ? "rgb(4 14 13 / 70%)" : "rgb(4 14 13 / 55%)";
  if (tool === "blur") context.fillRect(left, top, wide, high);
  else {
    context.beginPath();
    context.rect(0, 0, width, height);
    context.rect(left, top, wide, high);
    context.fill("evenodd");
  }
  context.strokeStyle = "#ffffff";
  context.lineWidth = 2;
  context.setLineDash([6, 4]);
  context.strokeRect(left, top, wide, high);
}
