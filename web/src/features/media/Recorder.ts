import { Store, type Readable } from "../../store/Store.ts";
import { capture, recordable, recordingFile, release, type CaptureFault } from "./capture.ts";
import { loudness, waveformOf } from "./waveform.ts";

export interface Recorded {
  readonly file: File;
  readonly duration: number;
  readonly waveform: readonly number[];
}

export type Recording =
  | { readonly state: "starting" }
  | { readonly state: "failed"; readonly fault: CaptureFault }
  | { readonly state: "recording" | "paused"; readonly length: number; readonly levels: readonly number[] }
  | { readonly state: "done"; readonly recorded: Recorded };

/** A voice message is a message, not a lecture. */
export const longestVoice = 5 * 60_000;
const lookEvery = 60;
const waves = 60;

/** Records one voice message: loudness while it goes, and a file at the end. */
export class Recorder implements Readable<Recording> {
  readonly #now = new Store<Recording>({ state: "starting" });
  readonly #parts: Blob[] = [];
  readonly #levels: number[] = [];
  #stream: MediaStream | undefined;
  #recorder: MediaRecorder | undefined;
  #sound: AudioContext | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Milliseconds up to the last pause, and since when it goes on. */
  #before = 0;
  #since = 0;
  #gone = false;

  get snapshot(): Recording {
    return this.#now.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#now.subscribe(listener);

  readonly start = async (): Promise<void> => {
    this.#gone = false;
    this.#now.set({ state: "starting" });
    const stream = await capture({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true } });
    const type = recordable("sound");
    if (typeof stream === "string" || type === undefined) {
      this.#now.set({ state: "failed", fault: typeof stream === "string" ? stream : "missing" });
      return;
    }
    if (this.#gone) {
      release(stream);
      return;
    }
    this.#parts.length = this.#levels.length = this.#before = 0;
    this.#stream = stream;
    const recorder = new MediaRecorder(stream, { mimeType: type, audioBitsPerSecond: 24_000 });
    recorder.ondataavailable = ({ data }) => {
      this.#parts.push(data);
    };
    recorder.onstop = this.#finish;
    this.#recorder = recorder;
    recorder.start(1000);
    this.#since = performance.now();
    this.#listen(stream);
  };

  readonly pause = (): void => {
    if (this.snapshot.state !== "recording") return;
    this.#recorder?.pause();
    this.#before = this.#length();
    this.#show("paused");
  };

  readonly resume = (): void => {
    if (this.snapshot.state !== "paused") return;
    this.#recorder?.resume();
    this.#since = performance.now();
    this.#show("recording");
  };

  readonly stop = (): void => {
    if (this.snapshot.state === "recording") this.#before = this.#length();
    if (this.#recorder?.state !== "inactive") this.#recorder?.stop();
  };

  /** Lets go of the microphone and forgets what was recorded. */
  readonly close = (): void => {
    this.#gone = true;
    if (this.#recorder !== undefined) this.#recorder.onstop = null;
    this.#release();
    this.#parts.length = 0;
  };

  readonly #finish = (): void => {
    const type = this.#recorder?.mimeType ?? "";
    this.#release();
    const recorded = { file: recordingFile(this.#parts, type, "voice"), duration: Math.round(this.#before), waveform: waveformOf(this.#levels, waves) };
    this.#now.set({ state: "done", recorded });
  };

  #listen(stream: MediaStream): void {
    this.#sound = new AudioContext();
    const analyser = this.#sound.createAnalyser();
    analyser.fftSize = 2048;
    this.#sound.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.#show("recording");
    this.#timer = setInterval(() => {
      if (this.snapshot.state !== "recording") return;
      analyser.getFloatTimeDomainData(samples);
      this.#levels.push(loudness(samples));
      this.#show("recording");
      if (this.#length() >= longestVoice) this.stop();
    }, lookEvery);
  }

  #length(): number {
    return this.#before + (this.snapshot.state === "paused" ? 0 : performance.now() - this.#since);
  }

  #show(state: "recording" | "paused"): void {
    const length = state === "paused" ? this.#before : this.#before + performance.now() - this.#since;
    this.#now.set({ state, length, levels: this.#levels.slice(-waves) });
  }

  #release(): void {
    clearInterval(this.#timer);
    if (this.#stream !== undefined) release(this.#stream);
    void this.#sound?.close();
    this.#stream = this.#sound = undefined;
  }
}
