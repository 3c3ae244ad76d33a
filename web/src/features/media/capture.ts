// Camera and microphone, inside the page: what they take goes into no gallery and no folder.

export type CaptureFault = "denied" | "missing" | "busy";

/** Asks for camera or microphone; says in the app's few words why there is none. */
export async function capture(wish: MediaStreamConstraints): Promise<MediaStream | CaptureFault> {
  // Browsers have no devices where the page is not secure.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (devices === undefined) return "missing";
  try {
    return await devices.getUserMedia(wish);
  } catch (fault) {
    const name = fault instanceof Error ? fault.name : "";
    if (name === "NotAllowedError" || name === "SecurityError") return "denied";
    return name === "NotReadableError" || name === "AbortError" ? "busy" : "missing";
  }
}

export function release(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

const soundTypes = ["audio/ogg;codecs=opus", "audio/webm;codecs=opus", "audio/mp4"];
const filmTypes = ["video/mp4;codecs=avc1.42E01E,mp4a.40.2", "video/webm;codecs=vp8,opus", "video/webm", "video/mp4"];

/** What this browser can record of what most can play. */
export function recordable(kind: "sound" | "film"): string | undefined {
  return (kind === "sound" ? soundTypes : filmTypes).find((type) => MediaRecorder.isTypeSupported(type));
}

/** A file of what was recorded, named after what it is. */
export function recordingFile(parts: readonly Blob[], type: string, name: string): File {
  const [plain = ""] = type.split(";");
  const ending = plain.endsWith("/mp4") ? (plain.startsWith("audio") ? "m4a" : "mp4") : (plain.split("/")[1] ?? "bin");
  return new File([...parts], `${name}.${ending}`, { type: plain });
}
