import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";

import { axeFaults, pictures, type Person } from "./person.ts";

/** How a screen is looked at: what is chosen for it, as another tab would choose it, and the rules of axe that may differ. */
const ways = [
  { suffix: "en", chosen: {}, rules: "all" },
  { suffix: "dark", chosen: { theme: "dark" }, rules: "colours" },
  { suffix: "ar", chosen: { language: "ar" }, rules: "none" },
  { suffix: "large", chosen: { text: "200" }, rules: "none", touchOnly: true },
] as const;

const plain = { theme: "light", text: "100", language: "en" };
type Look = Record<keyof typeof plain, string>;

/** Somebody who shows each screen in every language, theme and size of letters, without leaving it. */
export class Tourist {
  readonly person: Person;
  readonly #switches: Page;
  readonly #where: "phone" | "desktop";

  private constructor(person: Person, switches: Page, where: "phone" | "desktop") {
    this.person = person;
    this.#switches = switches;
    this.#where = where;
  }

  static async with(person: Person, where: "phone" | "desktop"): Promise<Tourist> {
    const switches = await person.page.context().newPage();
    await switches.goto("/favicon.svg"); // the app's address without the app
    const tourist = new Tourist(person, switches, where);
    await person.page.bringToFront();
    await tourist.#choose(plain);
    return tourist;
  }

  get page(): Page {
    return this.person.page;
  }

  /** Writes pictures of the screen and notes what is wrong with it: for axe, for a thumb, or at its edges. */
  async look(name: string): Promise<void> {
    mkdirSync(pictures, { recursive: true });
    for (const way of ways) {
      if ("touchOnly" in way && this.#where === "desktop") continue;
      await this.#choose({ ...plain, ...way.chosen });
      await this.page.screenshot({ path: join(pictures, `tour-${name}-${this.#where}-${way.suffix}.png`) });
      const found = way.rules === "none" ? [] : await axeFaults(this.page, way.rules);
      if (way.suffix === "en") {
        // High contrast is not drawn, only measured.
        await this.page.evaluate(() => (document.documentElement.dataset["contrast"] = "more"));
        found.push(...(await axeFaults(this.page, "colours")));
        await this.page.evaluate(() => (document.documentElement.dataset["contrast"] = "normal"));
      }
      if (this.#where === "phone" && way.rules !== "colours") found.push(...(await this.page.evaluate(tooSmallOrOutside)));
      this.person.faults.push(...found.map((fault) => `${name} ${this.#where} ${way.suffix}: ${fault}`));
    }
    await this.#choose(plain);
  }

  async #choose(look: Look): Promise<void> {
    await this.#switches.evaluate((chosen) => {
      for (const [key, value] of Object.entries(chosen)) localStorage.setItem(`myelin.${key}`, value);
    }, look);
    await this.page.locator(`html[lang^="${look.language}"][data-theme="${look.theme}"][data-text="${look.text}"]`).waitFor({ state: "attached" });
    await this.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  }
}

/** Runs in the page: what a thumb would miss, and what stands out at the side. */
function tooSmallOrOutside(): string[] {
  const touch = 44;
  const found: string[] = [];
  const say = (what: string, element: Element, more: string): void => {
    found.push(`${what}: ${element.outerHTML.slice(0, 160)} ${more}`);
  };
  if (document.documentElement.scrollWidth > innerWidth) found.push(`page is ${String(document.documentElement.scrollWidth)} wide`);
  const top = document.querySelector("dialog:modal") ?? document.body;
  for (const element of top.querySelectorAll<HTMLElement>("a[href], button, input, select, textarea, summary, [role=option], [role=menuitem]")) {
    const shown = element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) ? (element.closest("label") ?? element) : undefined;
    if (shown === undefined || (element instanceof HTMLAnchorElement && getComputedStyle(element).display === "inline")) continue;
    const box = shown.getBoundingClientRect();
    if (box.width <= 1 || box.bottom <= 0 || box.top >= innerHeight) continue;
    // What is drawn smaller may be pressed beside it.
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    const hit = (dx: number, dy: number): boolean => {
      const at = document.elementFromPoint(x + dx, y + dy);
      return at !== null && shown.contains(at);
    };
    if (!hit(0, 0)) continue; // under something
    const pane = shown.closest("[role=log]")?.getBoundingClientRect();
    if (pane !== undefined && (y - touch < pane.top || y + touch > pane.bottom)) continue; // half scrolled away
    const reach = touch / 2 - 1;
    if ((box.width < touch && !(hit(-reach, 0) && hit(reach, 0))) || (box.height < touch && !(hit(0, -reach) && hit(0, reach)))) {
      say("small", element, `${box.width.toFixed(0)}x${box.height.toFixed(0)}`);
    }
  }
  for (const element of top.querySelectorAll<HTMLElement>("*")) {
    if (element.scrollWidth <= element.clientWidth + 1 || element.clientWidth === 0) continue;
    const { overflowY } = getComputedStyle(element); // what scrolls sideways on purpose scrolls no other way
    if (overflowY === "auto" || overflowY === "scroll") say("scrolls sideways", element, `${String(element.scrollWidth)} in ${String(element.clientWidth)}`);
  }
  return found;
}
