import type { OutboxContent } from "../store/model.ts";

const largestSide = 2560;
const thumbnailSide = 800;
/** Below this a picture is its own thumbnail. */
const smallEnough = 100 * 1024;

/**
 * Makes a picture ready to send: drawn again, so that place and camera stay out of it, no larger than a screen needs,
 * with a thumbnail. Undefined when the browser cannot read it as a picture.
 */
export async function preparePicture(file: File): Promise<Extract<OutboxContent, { kind: "picture" }> | undefined> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return undefined;
  }
  try {
    const type = file.type === "image/png" ? "image/png" : "image/jpeg";
    const full = await draw(bitmap, largestSide, type);
    const small = full.blob.size <= smallEnough ? undefined : await draw(bitmap, thumbnailSide, "image/jpeg");
    return {
      kind: "picture",
      name: file.name === "" ? "picture" : file.name,
      picture: full.blob,
      width: full.width,
      height: full.height,
      thumbnail: small?.blob,
      thumbnailWidth: small?.width ?? 0,
      thumbnailHeight: small?.height ?? 0,
    };
  } finally {
    bitmap.close();
  }
}

async function draw(bitmap: ImageBitmap, side: number, type: string): Promise<{ blob: Blob; width: number; height: number }> {
  const { width, height } = fit(bitmap.width, bitmap.height, side);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("no canvas to draw on");
  if (type === "image/jpeg") {
    context.fillStyle = "white"; // what was transparent
    context.fillRect(0, 0, width, height);
  }
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return { blob: await canvas.convertToBlob({ type, quality: 0.85 }), width, height };
}

/** The largest size of the same shape with no side longer than `side`; never larger than it was. */
export function fit(width: number, height: number, side: number): { width: number; height: number } {
  const scale = Math.min(1, side / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}
