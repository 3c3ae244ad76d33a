// What somebody does to a picture before it is sent. Places are fractions of the picture as it stands at that moment.

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** For an arrow from its tail to its head; for everything else two corners. */
export interface Area {
  readonly from: Point;
  readonly to: Point;
}

export type Tool = "blur" | "arrow" | "crop";
export type Mark = { readonly kind: Tool; readonly area: Area } | { readonly kind: "turn" };

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Where a tool begins for somebody who uses the keyboard. */
export const firstArea: Area = { from: { x: 0.3, y: 0.3 }, to: { x: 0.7, y: 0.6 } };

/** Smaller than this was a slip of the finger. */
const least = 0.015;

export function boxOf({ from, to }: Area): Box {
  return { left: Math.min(from.x, to.x), top: Math.min(from.y, to.y), width: Math.abs(to.x - from.x), height: Math.abs(to.y - from.y) };
}

export function isMeant(tool: Tool, area: Area): boolean {
  const { width, height } = boxOf(area);
  return tool === "arrow" ? Math.hypot(width, height) > 2 * least : width > least && height > least;
}

/** Moves an area, or with `grow` its second point alone, without leaving the picture. */
export function moved({ from, to }: Area, by: Point, grow: boolean): Area {
  const inside = (value: number): number => Math.max(0, Math.min(1, value));
  if (grow) return { from, to: { x: inside(to.x + by.x), y: inside(to.y + by.y) } };
  const room = (a: number, b: number, step: number): number => Math.max(-Math.min(a, b), Math.min(1 - Math.max(a, b), step));
  const x = room(from.x, to.x, by.x);
  const y = room(from.y, to.y, by.y);
  return { from: { x: from.x + x, y: from.y + y }, to: { x: to.x + x, y: to.y + y } };
}
