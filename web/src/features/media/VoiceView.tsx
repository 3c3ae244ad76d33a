import { type ReactNode, useEffect, useState } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import type { Priority } from "../../store/model.ts";
import { Button } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { useSnapshot } from "../../ui/useSnapshot.ts";
import type { CaptureFault } from "./capture.ts";
import { Player } from "./Player.tsx";
import { longestVoice, Recorder, type Recorded, type Recording } from "./Recorder.ts";
import { useBlobUrl } from "./useMedia.ts";
import { PriorityMark } from "../room/PriorityView.tsx";
import styles from "./VoiceView.module.css";
import { lengthOf } from "./words.ts";

export interface VoiceProps {
  readonly busy: boolean;
  /** This device had no room to keep it. */
  readonly full: boolean;
  readonly unmade: boolean;
  readonly priority: Priority | undefined;
  readonly onSend: (file: File, duration: number, waveform: readonly number[]) => void;
  readonly onClose: () => void;
}

const faultWords: Record<CaptureFault, Word> = { denied: "voice.denied", missing: "voice.missing", busy: "voice.busy" };

/** Records a voice message, plays it back, and only then sends it. */
export function VoiceView({ busy, full, unmade, priority, onSend, onClose }: VoiceProps): ReactNode {
  const { t } = useWords();
  const [recorder] = useState(() => new Recorder());
  const now = useSnapshot<Recording>(recorder);
  useEffect(() => {
    void recorder.start();
    return recorder.close;
  }, [recorder]);
  return (
    <Dialog title={t("voice.title")} onClose={onClose}>
      <div className={styles["voice"]}>
        <h2>{t("voice.title")}</h2>
        {priority !== undefined && <PriorityMark priority={priority} />}
        {now.state === "starting" && <p role="status">{t("voice.starting")}</p>}
        {now.state === "failed" && (
          <>
            <p role="alert">{t(faultWords[now.fault])}</p>
            <Button wide onClick={() => void recorder.start()}>
              {t("camera.retry")}
            </Button>
          </>
        )}
        {(now.state === "recording" || now.state === "paused") && <Running now={now} recorder={recorder} />}
        {now.state === "done" && <Done recorded={now.recorded} recorder={recorder} busy={busy} onSend={onSend} />}
        {full && <p role="alert">{t("attach.noRoom")}</p>}
        {unmade && <p role="alert">{t("voice.unmade")}</p>}
        <Button look="danger" wide onClick={onClose}>
          {t("voice.cancel")}
        </Button>
      </div>
    </Dialog>
  );
}

function Running({ now, recorder }: { readonly now: Extract<Recording, { state: "recording" | "paused" }>; readonly recorder: Recorder }): ReactNode {
  const { t } = useWords();
  const paused = now.state === "paused";
  const level = paused ? 0 : (now.levels.at(-1) ?? 0);
  return (
    <>
      <p className={styles["state"]} data-paused={paused}>
        <span role="status">{t(paused ? "voice.paused" : "voice.recording")}</span>
        <span className={styles["time"]} role="timer">
          {lengthOf(now.length)}
        </span>
      </p>
      <div className={styles["meter"]} role="meter" aria-label={t("voice.level")} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(level * 100)}>
        <svg viewBox="0 0 300 48" preserveAspectRatio="none" aria-hidden="true">
          {now.levels.map((loud, i) => (
            <rect key={i} x={300 - (now.levels.length - i) * 5 + 1} width={3} rx={1.5} y={24 - loud * 22 - 1} height={loud * 44 + 2} />
          ))}
        </svg>
      </div>
      <p className={styles["limit"]}>{t("voice.limit", { length: lengthOf(longestVoice) })}</p>
      <div className={styles["pair"]}>
        <Button icon={paused ? "mic" : "pause"} wide onClick={paused ? recorder.resume : recorder.pause}>
          {t(paused ? "voice.resume" : "voice.pause")}
        </Button>
        <Button look="main" icon="stop" wide autoFocus onClick={recorder.stop}>
          {t("voice.stop")}
        </Button>
      </div>
    </>
  );
}

interface DoneProps {
  readonly recorded: Recorded;
  readonly recorder: Recorder;
  readonly busy: boolean;
  readonly onSend: VoiceProps["onSend"];
}

function Done({ recorded, recorder, busy, onSend }: DoneProps): ReactNode {
  const { t } = useWords();
  const { file, duration, waveform } = recorded;
  const url = useBlobUrl(file);
  return (
    <>
      <Player label={t("voice.title")} name={undefined} url={url} state="ready" duration={duration} waveform={waveform} />
      <div className={styles["pair"]}>
        <Button icon="mic" wide onClick={() => void recorder.start()}>
          {t("voice.again")}
        </Button>
        <Button
          look="main"
          icon="send"
          wide
          autoFocus
          disabled={busy}
          onClick={() => {
            onSend(file, duration, waveform);
          }}
        >
          {t("voice.send")}
        </Button>
      </div>
    </>
  );
}
