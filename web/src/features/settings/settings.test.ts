import { describe, expect, it, vi } from "vitest";

import { testApp } from "../../testing/app.ts";
import { moved, squareOf, wholeCut } from "./cut.ts";
import { DevicesViewModel } from "./DevicesViewModel.ts";
import { NotificationsViewModel } from "./NotificationsViewModel.ts";
import { ProfileViewModel } from "./ProfileViewModel.ts";

describe("DevicesViewModel", () => {
  it("renames a device, and signs another out with the right password only", async () => {
    const app = testApp();
    const model = new DevicesViewModel(app);
    await vi.waitFor(() => {
      expect(model.snapshot.state).toBe("ready");
    });
    const [here, phone] = model.snapshot.devices;
    expect([here?.here, phone?.id]).toEqual([true, "PHONE"]);
    if (here === undefined || phone === undefined) throw new Error("no devices");
    model.begin("rename", phone);
    model.type(" Ward phone ");
    await model.finish();
    expect(model.snapshot.devices[1]?.name).toBe("Ward phone");
    model.begin("end", phone);
    model.type("guess");
    await model.finish();
    expect(model.snapshot.task).toMatchObject({ state: "wrongPassword", typed: "" });
    model.type("right");
    await model.finish();
    expect(model.snapshot).toMatchObject({ task: undefined, devices: [here] });
  });

  it("says when the list or an act did not work, and loads again", async () => {
    const app = testApp();
    app.refuse = true;
    const model = new DevicesViewModel(app);
    await vi.waitFor(() => {
      expect(model.snapshot.state).toBe("failed");
    });
    app.refuse = false;
    await model.load();
    const [here] = model.snapshot.devices;
    if (here === undefined) throw new Error("no devices");
    app.refuse = true;
    model.begin("rename", here);
    model.type("x");
    await model.finish();
    expect(model.snapshot.task?.state).toBe("failed");
  });
});

describe("NotificationsViewModel", () => {
  it("goes back to what is so when the server does not take the choice", async () => {
    const app = testApp();
    const model = new NotificationsViewModel(app);
    await vi.waitFor(() => {
      expect(model.snapshot).toMatchObject({ level: "all", state: "ready" });
    });
    await model.choose("mentions");
    expect(app.asked).toContain("notify mentions");
    app.refuse = true;
    await model.choose("none");
    expect(model.snapshot).toMatchObject({ level: "mentions", state: "ready" });
    expect(app.notices.snapshot?.kind).toBe("failed");
  });

  it("keeps sound and lines outside the app in this browser", async () => {
    const app = testApp();
    const model = new NotificationsViewModel(app);
    model.setSound(false);
    await model.setOutside(true);
    expect(app.preferences.snapshot).toMatchObject({ sound: "off", outside: "on" });
  });
});

describe("ProfileViewModel", () => {
  it("saves a name that differs, and a picture", async () => {
    const app = testApp();
    const model = new ProfileViewModel(app);
    expect(model.snapshot).toMatchObject({ name: "Dr. Anna Weiss", canSave: false });
    model.type(" ");
    expect(model.snapshot.canSave).toBe(false);
    model.type("Dr. A. Weiss");
    await model.save();
    expect(app.asked).toContain("name Dr. A. Weiss");
    expect(app.notices.snapshot?.kind).toBe("saved");
    await model.show(new Blob(["x"], { type: "image/jpeg" }));
    expect(app.asked).toContain("picture image/jpeg");
  });
});

describe("the cut of a picture", () => {
  it("is a square that never leaves the picture", () => {
    expect(squareOf(wholeCut, 400, 300)).toEqual({ left: 50, top: 0, size: 300 });
    const corner = moved(moved(wholeCut, { zoom: 2 }, 400, 300), { x: 9, y: 9 }, 400, 300);
    expect(squareOf(corner, 400, 300)).toEqual({ left: 250, top: 150, size: 150 });
    expect(moved(corner, { zoom: 1 }, 400, 300)).toEqual({ x: 0.625, y: 0.5, zoom: 1 });
  });
});
