import { type CSSProperties, type ReactNode, useLayoutEffect, useRef } from "react";

import { decodeBlurhash } from "../../store/blurhash.ts";
import styles from "./Frame.module.css";

export interface FrameProps {
  readonly width: number;
  readonly height: number;
  readonly blurhash: string | undefined;
  readonly children: ReactNode;
}

/** Keeps the place of a picture from the first moment, so that nothing moves when it comes, with a blur of it inside. */
export function Frame({ width, height, blurhash, children }: FrameProps): ReactNode {
  return (
    <span className={styles["frame"]} style={place(width, height)}>
      {blurhash !== undefined && <Blur hash={blurhash} />}
      {children}
    </span>
  );
}

function place(width: number, height: number): CSSProperties {
  const known = width > 0 && height > 0;
  const shown = known ? Math.min(320, width, (360 * width) / height) : 240;
  return { width: `${String(Math.max(96, Math.round(shown)))}px`, aspectRatio: known ? `${String(width)} / ${String(height)}` : "4 / 3" };
}

const points = 24;

export function Blur({ hash }: { readonly hash: string }): ReactNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const pixels = decodeBlurhash(hash, points, points);
    if (pixels !== undefined) canvas.current?.getContext("2d")?.putImageData(new ImageData(pixels, points, points), 0, 0);
  }, [hash]);
  return <canvas ref={canvas} className={styles["blur"]} width={points} height={points} aria-hidden="true" />;
}
