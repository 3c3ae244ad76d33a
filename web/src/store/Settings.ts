import type { MediaSource, Notify } from "./model.ts";

/** Something that somebody is signed in on. */
export interface OwnDevice {
  readonly id: string;
  readonly name: string;
  /** When the server last heard of it, in milliseconds since 1970. */
  readonly seen: number | undefined;
  /** This very browser. */
  readonly here: boolean;
}

/** What somebody may ask of the server about themselves. Every promise is rejected with a Refusal. */
export interface Settings {
  setName(name: string): Promise<void>;
  picture(): Promise<MediaSource | undefined>;
  /** Undefined takes the picture away. */
  setPicture(picture: Blob | undefined): Promise<MediaSource | undefined>;
  devices(): Promise<readonly OwnDevice[]>;
  renameDevice(device: string, name: string): Promise<void>;
  /** Signs a device out. False when the password was not right. */
  endDevice(device: string, password: string): Promise<boolean>;
  /** What is announced of rooms that say nothing else. */
  notify(): Promise<Notify>;
  setNotify(notify: Notify): Promise<void>;
}
