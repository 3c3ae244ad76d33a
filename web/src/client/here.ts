import type { Place } from "../store/conversation.ts";

/** Where this device is; undefined when it does not know or the person does not want to say. */
export function whereHere(): Promise<Place | undefined> {
  return new Promise((resolve) => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        resolve({ latitude: coords.latitude, longitude: coords.longitude });
      },
      () => {
        resolve(undefined);
      },
      { enableHighAccuracy: true, timeout: 20_000, maximumAge: 30_000 },
    );
  });
}
