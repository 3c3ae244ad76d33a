import { boxOf, type Area, type Mark } from "./marks.ts";

type Canvas = OffscreenCanvas;

/** Larger pictures are made smaller before anything is done to them. */
const largestSide = 4096;
/** A part that is hidden keeps at most so many colours a side: enough to see that something is there, too few to read. */
const blocks = 6;

/** The points of a picture, upright; undefined when this browser cannot read it. */
export async function open(file: Blob): Promise<ImageBitmap | undefined> {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return undefined;
  }
}

/** The picture with everything done to it, in order. */
export function render(source: ImageBitmap, marks: readonly Mark[]): Canvas {
  const scale = Math.min(1, largestSide / Math.max(source.width, source.height));
  let canvas = new OffscreenCanvas(Math.max(1, Math.round(source.width * scale)), Math.max(1, Math.round(source.height * scale)));
  contextOf(canvas).drawImage(source, 0, 0, canvas.width, canvas.height);
  for (const mark of marks) canvas = apply(canvas, mark);
  return canvas;
}

/** The edited picture as a file of its own: what was hidden or cut off is not in it. */
export async function edited(original: File, marks: readonly Mark[]): Promise<File> {
  const bitmap = await open(original);
  if (bitmap === undefined) return original;
  try {
    const type = original.type === "image/png" ? "image/png" : "image/jpeg";
    return new File([await render(bitmap, marks).convertToBlob({ type, quality: 0.95 })], original.name, { type });
  } finally {
    bitmap.close();
  }
}

function apply(canvas: Canvas, mark: Mark): Canvas {
  switch (mark.kind) {
    case "turn":
      return turn(canvas);
    case "crop":
      return crop(canvas, mark.area);
    case "blur":
      hide(canvas, mark.area);
      return canvas;
    case "arrow":
      drawArrow(contextOf(canvas), mark.area, canvas.width, canvas.height);
      return canvas;
  }
}

function turn(canvas: Canvas): Canvas {
  const turned = new OffscreenCanvas(canvas.height, canvas.width);
  const context = contextOf(turned);
  context.translate(0, turned.height);
  context.rotate(-Math.PI / 2);
  context.drawImage(canvas, 0, 0);
  return turned;
}

function crop(canvas: Canvas, area: Area): Canvas {
  const [left, top, width, height] = pixels(canvas, area);
  const part = new OffscreenCanvas(width, height);
  contextOf(part).drawImage(canvas, left, top, width, height, 0, 0, width, height);
  return part;
}

function hide(canvas: Canvas, area: Area): void {
  const [left, top, width, height] = pixels(canvas, area);
  const scale = Math.min(1, blocks / Math.max(width, height));
  const few = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  // Halved again and again each colour is the mean of its whole block, so that no line of a letter shows through.
  let from: Canvas = new OffscreenCanvas(width, height);
  contextOf(from).drawImage(canvas, left, top, width, height, 0, 0, width, height);
  while (from.width > few.width * 2 && from.height > few.height * 2) {
    const half = new OffscreenCanvas(Math.ceil(from.width / 2), Math.ceil(from.height / 2));
    contextOf(half).drawImage(from, 0, 0, half.width, half.height);
    from = half;
  }
  contextOf(few).drawImage(from, 0, 0, few.width, few.height);
  const context = contextOf(canvas);
  context.drawImage(few, left, top, width, height);
}

/** Red on white, so that it shows on every ground. */
export function drawArrow(context: OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D, { from, to }: Area, width: number, height: number): void {
  const [x1, y1, x2, y2] = [from.x * width, from.y * height, to.x * width, to.y * height];
  const thick = Math.max(3, Math.max(width, height) / 130);
  const head = Math.min(thick * 5, Math.hypot(x2 - x1, y2 - y1) * 0.6);
  const angle = Math.atan2(y2 - y1, x2 - x1);
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const [colour, wide] of [["#ffffff", thick * 2], ["#d3261e", thick]] as const) {
    context.strokeStyle = colour;
    context.lineWidth = wide;
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    for (const side of [1, -1]) {
      context.moveTo(x2, y2);
      context.lineTo(x2 - head * Math.cos(angle + side * 0.5), y2 - head * Math.sin(angle + side * 0.5));
    }
    context.stroke();
  }
}

/** Left, top, width and height in whole points, at least one each. */
function pixels(canvas: Canvas, area: Area): [number, number, number, number] {
  const box = boxOf(area);
  const left = Math.min(canvas.width - 1, Math.floor(box.left * canvas.width));
  const top = Math.min(canvas.height - 1, Math.floor(box.top * canvas.height));
  const width = Math.max(1, Math.min(canvas.width - left, Math.ceil(box.width * canvas.width)));
  const height = Math.max(1, Math.min(canvas.height - top, Math.ceil(box.height * canvas.height)));
  return [left, top, width, height];
}

function contextOf(canvas: Canvas): OffscreenCanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("no canvas to draw on");
  context.imageSmoothingQuality = "high";
  return context;
}
