/** A square of a picture: where its middle is, as a part of the picture, and how much is zoomed in. */
export interface Cut {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

export const wholeCut: Cut = { x: 0.5, y: 0.5, zoom: 1 };
export const maxZoom = 4;
const side = 512;

/** The square in pixels of the picture. It never leaves the picture. */
export function squareOf({ x, y, zoom }: Cut, width: number, height: number): { readonly left: number; readonly top: number; readonly size: number } {
  const size = Math.min(width, height) / zoom;
  return { left: clamp(x * width - size / 2, 0, width - size), top: clamp(y * height - size / 2, 0, height - size), size };
}

/** The cut moved by a part of its own size, and zoomed to what is asked; kept inside the picture. */
export function moved(cut: Cut, by: { readonly x?: number; readonly y?: number; readonly zoom?: number }, width: number, height: number): Cut {
  const zoom = clamp(by.zoom ?? cut.zoom, 1, maxZoom);
  const part = Math.min(width, height) / zoom;
  const place = (at: number, step: number, length: number): number => clamp(at + (step * part) / length, part / length / 2, 1 - part / length / 2);
  return { x: place(cut.x, by.x ?? 0, width), y: place(cut.y, by.y ?? 0, height), zoom };
}

/** Draws the square anew. Nothing but what is seen goes into the new picture: not the place, not the camera. */
export async function cutOut(picture: ImageBitmap, cut: Cut): Promise<Blob> {
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("no canvas");
  const { left, top, size } = squareOf(cut, picture.width, picture.height);
  context.fillStyle = "white"; // JPEG has no transparency
  context.fillRect(0, 0, side, side);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, left, top, size, size, 0, 0, side, side);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.86 });
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
