import type { Browser } from "playwright-core";

import { desktop, openBrowser, Person, phone, pictures } from "./person.ts";
import { Server, type DemoSignIn } from "./server.ts";

/** A physician at a desk and a nurse with a phone, who have begun to write to each other. */
export class Pair {
  readonly server: Server;
  readonly physician: Person;
  readonly nurse: Person;
  readonly physicianIs: DemoSignIn;
  readonly nurseIs: DemoSignIn;
  readonly #browser: Browser;

  private constructor(server: Server, browser: Browser, people: readonly [Person, Person], are: readonly [DemoSignIn, DemoSignIn]) {
    this.server = server;
    this.#browser = browser;
    [this.physician, this.nurse] = people;
    [this.physicianIs, this.nurseIs] = are;
  }

  static async meet(first: string): Promise<Pair> {
    const [server, browser] = await Promise.all([Server.start(), openBrowser()]);
    const people = await server.people();
    const find = (role: RegExp): DemoSignIn => {
      const found = people.find((person) => role.test(person.role));
      if (found === undefined) throw new Error(`nobody with role ${String(role)}`);
      return found;
    };
    const [physicianIs, nurseIs] = [find(/physician/i), find(/nurse/i)];
    const physician = await Person.at(browser, server.address, desktop);
    const nurse = await Person.at(browser, server.address, phone, true);
    await Promise.all([physician.signIn(physicianIs.name), nurse.signIn(nurseIs.name)]);
    const { page } = physician;
    await physician.go("New");
    await page.getByLabel("Find people by name").fill(nurseIs.name.split(" ").at(-1) ?? "");
    await page.getByRole("button", { name: nurseIs.name }).click();
    await page.getByRole("button", { name: /^Write to/ }).click();
    await page.getByRole("heading", { name: nurseIs.name }).waitFor();
    await physician.write(first);
    await nurse.page.getByRole("button", { name: "Accept" }).click();
    await nurse.sees(first);
    return new Pair(server, browser, [physician, nurse], [physicianIs, nurseIs]);
  }

  /** Everything that should not have been, of both. */
  get faults(): readonly string[] {
    return [...this.physician.faults, ...this.nurse.faults];
  }

  /** Says and shows where a step has failed. */
  async failed(): Promise<void> {
    process.stderr.write([...this.faults, ...this.physician.said.slice(-8), ...this.nurse.said.slice(-8)].join("\n"));
    await this.physician.page.screenshot({ path: `${pictures}failed-physician.png` });
    await this.nurse.page.screenshot({ path: `${pictures}failed-nurse.png` });
  }

  async part(): Promise<void> {
    await this.#browser.close();
    await this.server.stop();
  }
}
