import type { OwnDevice, Settings } from "../store/Settings.ts";

/** Settings without a server; the password of every device is "right". */
export function testSettings(ask: (what: string) => Promise<void>): Settings {
  let devices: readonly OwnDevice[] = [
    { id: "DEVICE", name: "Myelin, Chrome on Linux", seen: 0, here: true },
    { id: "PHONE", name: "Myelin, Safari on iOS", seen: Date.UTC(2026, 2, 3, 13), here: false },
  ];
  return {
    setName: (name) => ask(`name ${name}`),
    picture: () => Promise.resolve(undefined),
    setPicture: async (picture) => {
      await ask(`picture ${picture === undefined ? "none" : picture.type}`);
      return undefined;
    },
    devices: async () => {
      await ask("devices");
      return devices;
    },
    renameDevice: async (id, name) => {
      await ask(`rename ${id} ${name}`);
      devices = devices.map((device) => (device.id === id ? { ...device, name } : device));
    },
    endDevice: async (id, password) => {
      await ask(`end ${id}`);
      if (password === "right") devices = devices.filter((device) => device.id !== id);
      return password === "right";
    },
    notify: () => Promise.resolve("all"),
    setNotify: (notify) => ask(`notify ${notify}`),
  };
}
