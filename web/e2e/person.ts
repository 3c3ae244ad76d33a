import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium, type Browser, type BrowserContext, type Locator, type Page } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const pictures = new URL("../test-results/", import.meta.url).pathname;

export const phone = { width: 360, height: 740 };
export const desktop = { width: 1440, height: 900 };

/** `more` are flags of the browser besides those of every run. */
export function openBrowser(...more: string[]): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", ...more],
  });
}

/** Somebody at a browser of their own, and what they do there. */
export class Person {
  page: Page;
  /** Everything that should not have been: exceptions, breaches of the policy, what axe found. */
  readonly faults: string[] = [];
  readonly said: string[] = [];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    this.useTab(page);
  }

  /** Goes on in another tab of the same browser. */
  useTab(page: Page): void {
    this.page = page;
    page.on("pageerror", (fault) => this.faults.push(String(fault)));
    page.on("console", (message) => {
      this.said.push(message.text());
      if (/Content Security Policy|Refused to/.test(message.text())) this.faults.push(message.text());
    });
    page.on("requestfailed", (request) => this.said.push(`${request.url()}: ${request.failure()?.errorText ?? ""}`));
    page.setDefaultTimeout(40_000); // a busy machine with one core passes too
  }

  static async at(browser: Browser, address: string, size: { width: number; height: number }, touch = false): Promise<Person> {
    const context = await browser.newContext({ baseURL: address, viewport: size, reducedMotion: "reduce", hasTouch: touch, isMobile: touch, locale: "en-GB" });
    const page = await context.newPage();
    await page.goto("/");
    return new Person(context, page);
  }

  async leave(): Promise<void> {
    await this.#context.close();
  }

  /** Signs in, and puts off what is asked about recovery or the new device unless they `stay` with it. */
  async signIn(name: string, then: "later" | "stay" = "later"): Promise<void> {
    await this.page.getByRole("button", { name }).click();
    const later = this.page.getByRole("dialog").getByRole("button", { name: "Not now" });
    await later.waitFor();
    if (then === "stay") return;
    await later.click();
    await this.page.getByRole("heading", { name: "Inbox" }).waitFor();
  }

  async go(place: "Inbox" | "New" | "Me"): Promise<void> {
    await this.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: new RegExp(`^${place}`) }).click();
  }

  async write(text: string): Promise<void> {
    await this.page.getByRole("textbox", { name: "Message" }).fill(text);
    await this.page.getByRole("button", { name: "Send", exact: true }).click();
  }

  async attach(name: string, png: Buffer): Promise<void> {
    await this.page.getByTestId("media").setInputFiles({ name, mimeType: "image/png", buffer: png });
    await this.page.getByRole("dialog", { name: "Send files" }).getByRole("button", { name: "Send", exact: true }).click();
  }

  /** The message with exactly this text. */
  message(text: string): Locator {
    return this.page.getByRole("article").filter({ has: this.page.getByText(text, { exact: true }) });
  }

  async sees(text: string): Promise<void> {
    await this.message(text).waitFor();
  }

  /** Chooses a command from the menu of a message. */
  async choose(text: string, command: string): Promise<void> {
    await this.message(text).getByRole("button", { name: "Message options" }).dispatchEvent("click");
    await this.page.getByRole("menu", { name: "Message options" }).getByRole("menuitem", { name: command, exact: true }).click();
  }

  /** Lays a finger on something and leaves it there until `then` is done. */
  async hold(on: Locator, then: () => Promise<void>): Promise<void> {
    const box = await on.boundingBox();
    if (box === null) throw new Error("nothing to lay a finger on");
    const touch = await this.#context.newCDPSession(this.page);
    await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x: box.x + box.width / 2, y: box.y + box.height / 2 }] });
    await then();
    await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    await touch.detach();
  }

  /** The device knows where it is, and may say so. */
  async standAt(latitude: number, longitude: number): Promise<void> {
    await this.#context.grantPermissions(["geolocation"]);
    await this.#context.setGeolocation({ latitude, longitude });
  }

  /** All texts of the conversation that begin with a word, in order. */
  async texts(start: string): Promise<string[]> {
    const all = await this.page.getByRole("article").locator("p").allTextContents();
    return all.filter((text) => text.startsWith(start));
  }

  /** Writes a picture of the screen, and notes what axe finds wrong on it. */
  async look(name: string): Promise<void> {
    mkdirSync(pictures, { recursive: true });
    await this.page.screenshot({ path: join(pictures, `${name}.png`) });
    this.faults.push(...(await axeFaults(this.page)).map((fault) => `${name}: ${fault}`));
  }
}

/** What axe finds wrong on the page as it is now, by all of its rules or only about colours. */
export async function axeFaults(page: Page, rules: "all" | "colours" = "all"): Promise<string[]> {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axe);
  return page.evaluate(async (only) => {
    const { axe } = globalThis as unknown as { axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }> } };
    const { violations } = await axe.run({ resultTypes: ["violations"], ...(only === "all" ? {} : { runOnly: ["color-contrast"] }) });
    return violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 200)} ${node.failureSummary ?? ""}`));
  }, rules);
}
