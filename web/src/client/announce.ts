/** Held while a sound plays, so that of several tabs one is heard. */
const turn = "myelin-sound";

let audio: AudioContext | undefined;

/** Two soft tones. Silent as long as nobody has touched the page: the browser does not allow it before. */
export function playSound(): void {
  void navigator.locks.request(turn, { ifAvailable: true }, async (lock) => {
    if (lock === null) return;
    audio ??= new AudioContext();
    await audio.resume();
    const end = [tone(audio, 587, 0), tone(audio, 784, 0.14)].at(-1) ?? Promise.resolve();
    await end;
  });
}

function tone(context: AudioContext, frequency: number, after: number): Promise<void> {
  const start = context.currentTime + after;
  const source = new OscillatorNode(context, { type: "sine", frequency });
  const volume = new GainNode(context, { gain: 0 });
  volume.gain.setValueAtTime(0, start);
  volume.gain.linearRampToValueAtTime(0.18, start + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.001, start + 0.35);
  source.connect(volume).connect(context.destination);
  source.start(start);
  source.stop(start + 0.36);
  return new Promise((resolve) => {
    source.onended = () => {
      resolve();
    };
  });
}

/** Whether the browser may show something outside the page. */
export function mayShow(): "yes" | "no" | "ask" {
  if (!("Notification" in globalThis)) return "no";
  return Notification.permission === "granted" ? "yes" : Notification.permission === "denied" ? "no" : "ask";
}

export async function askToShow(): Promise<boolean> {
  return mayShow() === "ask" ? (await Notification.requestPermission()) === "granted" : mayShow() === "yes";
}

/** Shows a line outside the page, over the one before; pressing it comes back to the app. */
export function showOutside(title: string, onPress: () => void): void {
  if (mayShow() !== "yes") return;
  try {
    const shown = new Notification(title, { tag: "myelin", icon: "/icon-192.png", silent: true });
    shown.onclick = () => {
      focus();
      onPress();
      shown.close();
    };
  } catch {
    // Android shows only what a service worker announces.
  }
}
