import { type ReactNode, useEffect, useRef, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import { IconButton } from "../../ui/Button.tsx";
import styles from "./Player.module.css";
import { barsOf } from "./waveform.ts";
import { lengthOf } from "./words.ts";

export interface PlayerProps {
  readonly label: string;
  /** Shown above, for a piece of sound that has one. */
  readonly name: string | undefined;
  /** Undefined until it is fetched. */
  readonly url: string | undefined;
  readonly state: "ready" | "loading" | "failed";
  /** In milliseconds, as its message says; the file itself knows better. */
  readonly duration: number | undefined;
  readonly waveform: readonly number[];
  /** Somebody wants to hear it, and it is not there yet. */
  readonly onWanted?: () => void;
}

const speeds = [1, 1.5, 2] as const;
/** How far an arrow key goes, in seconds. */
const step = 2;

/** Plays sound: a wave to find one's place in, the time, and how fast. */
export function Player({ label, name, url, state, duration, waveform, onWanted }: PlayerProps): ReactNode {
  const { t } = useWords();
  const audio = useRef<HTMLAudioElement>(null);
  const [playing, setPlaying] = useState(false);
  const [wanted, setWanted] = useState(false);
  const [at, setAt] = useState(0);
  const [known, setKnown] = useState<number>();
  const [speed, setSpeed] = useState(0);
  const whole = known ?? (duration ?? 0) / 1000;
  const rate = speeds[speed] ?? 1;

  // What was asked for plays as soon as it is there.
  useEffect(() => {
    if (url !== undefined && wanted) void audio.current?.play().catch(() => undefined);
  }, [url, wanted]);
  // At most one thing sounds at a time.
  useEffect(() => {
    const other = (event: Event): void => {
      if (event.target !== audio.current) audio.current?.pause();
    };
    document.addEventListener("play", other, true);
    return () => {
      document.removeEventListener("play", other, true);
    };
  }, []);

  const toggle = (): void => {
    if (url === undefined) {
      setWanted(true);
      onWanted?.();
    } else if (playing) audio.current?.pause();
    else void audio.current?.play().catch(() => undefined);
  };
  const seek = (to: number): void => {
    setAt(to);
    if (audio.current !== null && url !== undefined) audio.current.currentTime = to;
  };
  const bars = barsOf(waveform, 40);
  return (
    <div className={styles["player"]} role="group" aria-label={label}>
      {name !== undefined && (
        <p className={styles["name"]} dir="auto">
          {name}
        </p>
      )}
      <div className={styles["line"]}>
        <IconButton icon={playing ? "pause" : "play"} look="main" label={playing ? t("media.pause") : t("media.play")} disabled={state === "loading"} onClick={toggle} />
        <div className={styles["track"]} data-plain={waveform.length === 0} dir="ltr">
          <svg viewBox={`0 0 ${String(bars.length * 5)} 32`} preserveAspectRatio="none" aria-hidden="true">
            {bars.map((bar, i) => (
              <rect key={i} data-heard={whole > 0 && i / bars.length < at / whole} x={i * 5 + 1} width={3} rx={1.5} y={16 - bar * 14 - 1} height={bar * 28 + 2} />
            ))}
          </svg>
          <input
            type="range"
            min={0}
            max={whole}
            step={0.05}
            value={Math.min(at, whole)}
            aria-label={t("media.position")}
            aria-valuetext={t("media.positionOf", { at: lengthOf(at * 1000), whole: lengthOf(whole * 1000) })}
            onChange={(event) => {
              seek(Number(event.currentTarget.value));
            }}
            onKeyDown={(event) => {
              const by = event.key === "ArrowLeft" || event.key === "ArrowDown" ? -step : event.key === "ArrowRight" || event.key === "ArrowUp" ? step : 0;
              if (by === 0) return;
              event.preventDefault();
              seek(Math.max(0, Math.min(whole, at + by)));
            }}
          />
        </div>
        <span className={styles["time"]}>{lengthOf((at > 0 ? at : whole) * 1000)}</span>
        <button
          type="button"
          className={styles["speed"]}
          aria-label={t("media.speed", { speed: rate })}
          onClick={() => {
            const next = (speed + 1) % speeds.length;
            setSpeed(next);
            if (audio.current !== null) audio.current.playbackRate = speeds[next] ?? 1;
          }}
        >
          <span dir="ltr">{`${String(rate)}×`}</span>
        </button>
      </div>
      {state === "failed" && (
        <p className={styles["failed"]} role="alert">
          {t("media.failed")}
        </p>
      )}
      {url !== undefined && (
        <audio
          ref={audio}
          src={url}
          preload="auto"
          onPlay={(event) => {
            event.currentTarget.playbackRate = rate;
            setPlaying(true);
          }}
          onPause={() => {
            setPlaying(false);
          }}
          onEnded={() => {
            setPlaying(false);
            setAt(0);
          }}
          onTimeUpdate={(event) => {
            setAt(event.currentTarget.currentTime);
          }}
          onDurationChange={(event) => {
            const { duration: length } = event.currentTarget;
            if (Number.isFinite(length)) setKnown(length); // a recording that was never closed does not know
          }}
        />
      )}
    </div>
  );
}
