import { readFileSync } from "node:fs";
import type { Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { Pair } from "./pair.ts";
import { phone, type Person } from "./person.ts";
import { drawPng } from "./png.ts";
import type { Server } from "./server.ts";

// Everything besides words, encrypted, between a desk and a phone: pictures with marks, the camera, voice, films, files.

let pair: Pair;
let server: Server;
let physician: Person;
let nurse: Person;

beforeAll(async () => {
  pair = await Pair.meet("Pictures follow", { flags: ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required"] });
  ({ server, physician, nurse } = pair);
});

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await pair.failed();
});

afterAll(() => pair.part());

/** As patient as everything else here: a busy machine is slow. */
const soon = { timeout: 20_000 };
const pieces = ({ page }: Person): Locator => page.getByRole("dialog", { name: "Send files" });
const attach = async ({ page }: Person, what: string): Promise<void> => {
  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: what }).click();
};
const sizeOf = (picture: Locator): Promise<[number, number]> => picture.evaluate((img: HTMLImageElement) => img.decode().then(() => [img.naturalWidth, img.naturalHeight]));
/** A file as somebody saves it. */
async function saved({ page }: Person, button: Locator): Promise<{ name: string; bytes: Buffer }> {
  const coming = page.waitForEvent("download");
  await button.click();
  const file = await coming;
  return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) };
}

/** A photograph as a phone would write it, lying on its side, that says where it was taken. Drawn by the browser. */
async function photo(page: Page): Promise<Buffer> {
  const plain = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(600, 400);
    const context = canvas.getContext("2d");
    if (context === null) throw new Error("no canvas");
    context.fillStyle = "#dfe8e6";
    context.fillRect(0, 0, 600, 400);
    context.fillStyle = "#b5564a";
    context.fillRect(60, 60, 180, 120);
    context.fillStyle = "#111111";
    context.font = "bold 40px sans-serif";
    context.fillText("Name 12.03.1950", 230, 330);
    const blob = await canvas.convertToBlob({ type: "image/jpeg" });
    return Array.from(new Uint8Array(await blob.arrayBuffer()));
  });
  const tiff = Buffer.from([0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0]);
  const exif = Buffer.concat([Buffer.from("Exif\0\0"), tiff, Buffer.from("GPS 52.5186N 13.3761E SecretCam")]);
  const head = Buffer.from([0xff, 0xd8, 0xff, 0xe1, 0, exif.length + 2]);
  return Buffer.concat([head, exif, Buffer.from(plain).subarray(2)]);
}

it("sends a picture upright, marked, named, and without its place", async () => {
  const { page } = physician;
  await page.getByTestId("media").setInputFiles({ name: "wound.jpg", mimeType: "image/jpeg", buffer: await photo(page) });
  const dialog = pieces(physician);
  const picture = dialog.getByRole("img", { name: "Picture wound.jpg" });
  await expect.poll(() => picture.evaluate((canvas: HTMLCanvasElement) => [canvas.width, canvas.height]), soon).toEqual([400, 600]); // turned upright
  // Hidden with the mouse, pointed at with the keyboard.
  await dialog.getByRole("button", { name: "Hide a part" }).click();
  const area = await dialog.getByRole("application", { name: "Picture being edited" }).boundingBox();
  if (area === null) throw new Error("no picture");
  await page.mouse.move(area.x + area.width * 0.05, area.y + area.height * 0.4);
  await page.mouse.down();
  await page.mouse.move(area.x + area.width * 0.3, area.y + area.height * 0.98, { steps: 4 });
  await physician.look("media-hide-desktop");
  await page.mouse.up();
  await dialog.getByRole("button", { name: "Arrow" }).click();
  for (let i = 0; i < 8; i++) await page.keyboard.press("ArrowUp");
  for (let i = 0; i < 6; i++) await page.keyboard.press("Shift+ArrowUp");
  await page.keyboard.press("Enter");
  await dialog.getByRole("button", { name: "Turn" }).click();
  await dialog.getByRole("button", { name: "Undo" }).click();
  await dialog.getByLabel("Add a caption").fill("Left forearm, day 3");
  await physician.look("media-preview-desktop");
  await dialog.getByRole("button", { name: "Send", exact: true }).click();
  const shown = nurse.page.getByRole("button", { name: "Open picture wound.jpg" });
  expect(await sizeOf(shown.getByRole("img"))).toEqual([400, 600]);
  await nurse.sees("Left forearm, day 3");
  await nurse.look("media-conversation-phone");
  await shown.click();
  await nurse.page.getByRole("dialog").getByRole("img", { name: "Picture wound.jpg" }).waitFor();
  await nurse.look("media-viewer-phone");
  const { name, bytes } = await saved(nurse, nurse.page.getByRole("dialog").getByRole("button", { name: "Download wound.jpg" }));
  expect([name, bytes.readUInt16BE(0)]).toEqual(["wound.jpg", 0xffd8]);
  for (const secret of ["Exif", "GPS", "SecretCam"]) expect(bytes.includes(secret)).toBe(false);
  await nurse.page.keyboard.press("Escape");
});

it("takes a picture with the camera inside the page", async () => {
  await attach(nurse, "Camera");
  const camera = nurse.page.getByRole("dialog", { name: "Camera" });
  await expect.poll(() => camera.getByLabel("What the camera sees").evaluate((video: HTMLVideoElement) => video.videoWidth), soon).toBeGreaterThan(0);
  await nurse.look("media-camera-phone");
  await camera.getByRole("button", { name: "Take a picture" }).click();
  await pieces(nurse).getByRole("img", { name: "Picture photo.jpg" }).waitFor();
  await nurse.look("media-preview-phone");
  await pieces(nurse).getByRole("button", { name: "Send", exact: true }).click();
  expect((await sizeOf(physician.page.getByRole("button", { name: "Open picture photo.jpg" }).getByRole("img")))[0]).toBeGreaterThan(100);
});

it("sends a voice message after it was listened to", async () => {
  await attach(nurse, "Voice message");
  const dialog = nurse.page.getByRole("dialog", { name: "Voice message" });
  await dialog.getByText("0:01").waitFor();
  await nurse.look("media-voice-phone");
  await dialog.getByRole("button", { name: "Pause" }).click();
  await dialog.getByText("Paused").waitFor();
  await dialog.getByRole("button", { name: "Go on" }).click();
  await dialog.getByRole("button", { name: "Done" }).click();
  await dialog.getByRole("button", { name: "Play" }).click();
  await dialog.getByRole("button", { name: "Pause" }).waitFor();
  await nurse.look("media-voice-done-phone");
  await dialog.getByRole("button", { name: "Send" }).click();
  const player = physician.page.getByRole("group", { name: "Voice message" });
  await player.getByRole("button", { name: "Play" }).click();
  const place = player.getByRole("slider", { name: "Position" });
  await expect.poll(() => place.inputValue().then(Number), soon).toBeGreaterThan(0.2);
  await player.getByRole("button", { name: "Speed 1×" }).click();
  await player.getByRole("button", { name: "Speed 1.5×" }).waitFor();
});

it("records a film, and sends files that come back byte for byte", async () => {
  await attach(physician, "Camera");
  const camera = physician.page.getByRole("dialog", { name: "Camera" });
  await camera.getByRole("button", { name: "Record a video" }).click();
  await camera.getByText("0:01").waitFor();
  await camera.getByRole("button", { name: "Stop recording" }).click();
  await pieces(physician).getByLabel(/^Video video/).waitFor();
  await pieces(physician).getByRole("button", { name: "Send", exact: true }).click();
  await nurse.page.getByRole("button", { name: /^Play video video/ }).click();
  const film = nurse.page.getByRole("dialog").locator("video");
  await expect.poll(() => film.evaluate((video: HTMLVideoElement) => video.videoWidth), soon).toBeGreaterThan(0);
  await nurse.page.keyboard.press("Escape");

  const page = "<html><script>document.title = 'ran'</script></html>";
  await nurse.page.getByTestId("file").setInputFiles([
    { name: "plan.html", mimeType: "text/html", buffer: Buffer.from(page) },
    { name: "lab.csv", mimeType: "text/csv", buffer: Buffer.from("troponin;14\n".repeat(200)) },
  ]);
  await pieces(nurse).getByRole("button", { name: "Send 2 files" }).click();
  const file = await saved(physician, physician.page.getByRole("button", { name: "Download plan.html" }));
  expect([file.name, file.bytes.toString()]).toEqual(["plan.html", page]);
  await physician.look("media-conversation-desktop");
});

it("shows how far an upload is and stops it", async () => {
  const { page } = physician;
  let go: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (go = resolve));
  await page.route("**/_matrix/media/v3/upload*", async (route) => {
    await held;
    await route.continue().catch(() => undefined);
  });
  await page.getByTestId("file").setInputFiles({ name: "scan.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(400_000, 7) });
  await pieces(physician).getByRole("button", { name: "Send", exact: true }).click();
  await page.getByRole("progressbar", { name: "Sending the file" }).waitFor();
  await physician.look("media-uploading-desktop");
  await physician.write("The scan comes later");
  await nurse.sees("The scan comes later"); // words do not wait behind a file
  await page.getByRole("button", { name: "Stop sending" }).click();
  await page.getByText("scan.bin").waitFor({ state: "hidden" });
  go();
  await page.unroute("**/_matrix/media/v3/upload*");
  expect(await nurse.page.getByText("scan.bin").count()).toBe(0);
});

it("keeps pictures while the server is away and over a reload, and sends each once", async () => {
  await server.kill();
  const { page } = nurse;
  await page.getByTestId("media").setInputFiles(["one.png", "two.png"].map((name, i) => ({ name, mimeType: "image/png", buffer: drawPng(300 + i, 200) })));
  await pieces(nurse).getByRole("button", { name: "Send 2 files" }).click();
  await page.getByRole("article").getByRole("img", { name: "Picture two.png" }).waitFor();
  const box = await page.getByRole("article").getByRole("img", { name: "Picture two.png" }).boundingBox();
  expect((box?.x ?? phone.width) + (box?.width ?? 0)).toBeLessThan(phone.width);
  await nurse.look("media-waiting-phone");
  await server.run();
  await page.reload();
  for (const name of ["one.png", "two.png"]) {
    await physician.page.getByRole("button", { name: `Open picture ${name}` }).waitFor({ timeout: 60_000 });
    await page.getByRole("button", { name: `Open picture ${name}` }).waitFor({ timeout: 60_000 });
    expect(await physician.page.getByRole("button", { name: `Open picture ${name}` }).count()).toBe(1);
  }
});

it("lists what was sent in the room", async () => {
  for (const [person, where] of [[physician, "desktop"], [nurse, "phone"]] as const) {
    const { page } = person;
    await page.getByRole("button", { name: "People and details" }).click();
    await page.getByRole("complementary").getByText("Pictures and files").click();
    const files = page.getByRole("complementary", { name: "Pictures and files" });
    await files.getByRole("button", { name: "Open picture two.png" }).getByRole("img").waitFor();
    await files.getByRole("button", { name: "Download lab.csv" }).waitFor();
    await person.look(`media-files-${where}`);
    await page.getByRole("button", { name: "Close details" }).click();
  }
});

it("says plainly when there is no camera", async () => {
  const { page } = physician;
  await page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotAllowedError"));
  });
  await attach(physician, "Camera");
  await page.getByText("The camera may not be used here").waitFor();
  await physician.look("media-camera-denied-desktop");
  await page.keyboard.press("Escape");
});

it("never threw, broke the content security policy or showed axe anything wrong", () => {
  expect(pair.faults).toEqual([]);
});
