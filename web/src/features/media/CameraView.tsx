import { type ReactNode, useEffect, useRef, useState } from "react";

import { type Word, useWords } from "../../i18n/words.tsx";
import { Button, IconButton } from "../../ui/Button.tsx";
import { Dialog } from "../../ui/Dialog.tsx";
import { Icon } from "../../ui/Icon.tsx";
import styles from "./CameraView.module.css";
import { capture, recordable, recordingFile, release, type CaptureFault } from "./capture.ts";
import { lengthOf } from "./words.ts";

export interface CameraProps {
  readonly onTaken: (taken: File) => void;
  readonly onClose: () => void;
}

type Facing = "environment" | "user";

/** A clip is a clip: longer ones are for another tool. */
const longest = 3 * 60_000;
const faultWords: Record<CaptureFault, Word> = { denied: "camera.denied", missing: "camera.missing", busy: "camera.busy" };

/** The camera inside the page: a picture or a short film that never enters the phone's gallery. */
export function CameraView({ onTaken, onClose }: CameraProps): ReactNode {
  const { t } = useWords();
  const video = useRef<HTMLVideoElement>(null);
  const [facing, setFacing] = useState<Facing>("environment");
  const [tries, setTries] = useState(0);
  const { stream, fault, several } = useCamera(facing, tries);
  const film = useFilm(stream, onTaken);

  useEffect(() => {
    if (video.current !== null) video.current.srcObject = stream ?? null;
  }, [stream]);

  const take = async (): Promise<void> => {
    const from = video.current;
    if (from === null || from.videoWidth === 0) return;
    const canvas = new OffscreenCanvas(from.videoWidth, from.videoHeight);
    canvas.getContext("2d")?.drawImage(from, 0, 0);
    onTaken(new File([await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 })], "photo.jpg", { type: "image/jpeg" }));
  };

  return (
    <Dialog title={t("camera.title")} onClose={onClose} look="full">
      <div className={styles["camera"]}>
        <header>
          <IconButton icon="close" label={t("attach.close")} onClick={onClose} />
          <p>{fault === undefined && t(film.since === undefined ? "camera.private" : "voice.recording")}</p>
          {film.since !== undefined && (
            <span className={styles["time"]} role="timer">
              {lengthOf(film.length)}
            </span>
          )}
        </header>
        {fault !== undefined ? (
          <div className={styles["fault"]} role="alert">
            <Icon name="camera" size={32} />
            <p>{t(faultWords[fault])}</p>
            <Button
              onClick={() => {
                setTries(tries + 1);
              }}
            >
              {t("camera.retry")}
            </Button>
          </div>
        ) : (
          <video ref={video} autoPlay playsInline muted data-mirrored={facing === "user"} aria-label={t("camera.view")} />
        )}
        {fault === undefined && (
          <footer>
            {stream === undefined && <p role="status">{t("camera.starting")}</p>}
            <IconButton icon={film.since === undefined ? "video" : "stop"} look="raised" label={film.since === undefined ? t("camera.record") : t("camera.stop")} disabled={stream === undefined} onClick={() => void film.toggle()} />
            <button type="button" className={styles["shutter"]} aria-label={t("camera.photo")} disabled={stream === undefined || film.since !== undefined} autoFocus onClick={() => void take()} />
            <IconButton
              icon="flip"
              look="raised"
              label={t("camera.flip")}
              disabled={!several || film.since !== undefined}
              onClick={() => {
                setFacing(facing === "user" ? "environment" : "user");
              }}
            />
          </footer>
        )}
      </div>
    </Dialog>
  );
}

interface Camera {
  readonly stream: MediaStream | undefined;
  readonly fault: CaptureFault | undefined;
  /** Is there another one to change to? */
  readonly several: boolean;
}

/** The camera's picture as long as this is shown. */
function useCamera(facing: Facing, tries: number): Camera {
  const [camera, setCamera] = useState<Camera>({ stream: undefined, fault: undefined, several: false });
  useEffect(() => {
    let gone = false;
    let running: MediaStream | undefined;
    const start = async (): Promise<void> => {
      const found = await capture({ video: { facingMode: facing, width: { ideal: 1920 }, height: { ideal: 1080 } } });
      if (typeof found === "string") {
        if (!gone) setCamera({ stream: undefined, fault: found, several: false });
        return;
      }
      running = found;
      if (gone) release(found);
      else {
        const devices = await navigator.mediaDevices.enumerateDevices();
        setCamera({ stream: found, fault: undefined, several: devices.filter((device) => device.kind === "videoinput").length > 1 });
      }
    };
    void start();
    return () => {
      gone = true;
      if (running !== undefined) release(running);
    };
  }, [facing, tries]);
  return camera;
}

interface Film {
  /** When the recording began; undefined while there is none. */
  readonly since: number | undefined;
  /** Its length up to now, in milliseconds. */
  readonly length: number;
  readonly toggle: () => Promise<void>;
}

/** Records what the camera sees, with sound when there is a microphone. */
function useFilm(stream: MediaStream | undefined, onTaken: (film: File) => void): Film {
  const [since, setSince] = useState<number>();
  const [length, setLength] = useState(0);
  const recorder = useRef<MediaRecorder>(undefined);

  // A film that is still running when the camera is closed was not wanted.
  useEffect(
    () => () => {
      const running = recorder.current;
      if (running === undefined) return;
      running.onstop = null;
      for (const track of running.stream.getTracks()) track.stop();
    },
    [],
  );
  useEffect(() => {
    if (since === undefined) return;
    const timer = setInterval(() => {
      const now = performance.now() - since;
      setLength(now);
      if (now >= longest) recorder.current?.stop();
    }, 250);
    return () => {
      clearInterval(timer);
    };
  }, [since]);

  const start = async (camera: MediaStream): Promise<void> => {
    const type = recordable("film");
    if (type === undefined) return;
    const sound = await capture({ audio: true });
    const tracks = [...camera.getVideoTracks(), ...(typeof sound === "string" ? [] : sound.getAudioTracks())];
    const made = new MediaRecorder(new MediaStream(tracks), { mimeType: type, videoBitsPerSecond: 2_500_000, audioBitsPerSecond: 64_000 });
    const parts: Blob[] = [];
    made.ondataavailable = ({ data }) => {
      parts.push(data);
    };
    made.onstop = () => {
      if (typeof sound !== "string") release(sound);
      setSince(undefined);
      onTaken(recordingFile(parts, made.mimeType, "video"));
    };
    recorder.current = made;
    made.start(1000);
    setLength(0);
    setSince(performance.now());
  };
  return {
    since,
    length,
    toggle: async () => {
      if (since !== undefined) recorder.current?.stop();
      else if (stream !== undefined) await start(stream);
    },
  };
}
