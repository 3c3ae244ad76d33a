import type { Browser } from "playwright-core";

import { desktop, openBrowser, Person, phone, pictures } from "./person.ts";
import { Server, type DemoSignIn } from "./server.ts";

export interface PairOptions {
  /** Flags of the browser besides those of every run. */
  readonly flags?: readonly string[];
  /** Where the physician reaches the server, when not at its own address. */
  readonly before?: (server: Server) => Promise<string>;
}

/** A physician at a desk and a nurse with a phone, on a server of their own. */
export class Pair {
  readonly server: Server;
  readonly physician: Person;
  readonly nurse: Person;
  readonly physicianIs: DemoSignIn;
  readonly nurseIs: DemoSignIn;
  /** These two and who came later. */
  readonly everybody: Person[];
  readonly #browser: Browser;

  private constructor(server: Server, browser: Browser, people: readonly [Person, Person], are: readonly [DemoSignIn, DemoSignIn]) {
    this.server = server;
    this.#browser = browser;
    [this.physician, this.nurse] = people;
    [this.physicianIs, this.nurseIs] = are;
    this.everybody = [...people];
  }

  /** Both are at the sign-in page. */
  static async open({ flags = [], before }: PairOptions = {}): Promise<Pair> {
    const [server, browser] = await Promise.all([Server.start(), openBrowser(...flags)]);
    try {
      const people = await server.people();
      const find = (role: RegExp): DemoSignIn => {
        const found = people.find((person) => role.test(person.role));
        if (found === undefined) throw new Error(`nobody with role ${String(role)}`);
        return found;
      };
      const physician = await Person.at(browser, (await before?.(server)) ?? server.address, desktop);
      const nurse = await Person.at(browser, server.address, phone, true);
      return new Pair(server, browser, [physician, nurse], [find(/physician/i), find(/nurse/i)]);
    } catch (fault) {
      await browser.close();
      await server.stop();
      throw fault;
    }
  }

  /** Both are signed in and have begun to write to each other. */
  static async meet(first: string, options?: PairOptions): Promise<Pair> {
    const pair = await Pair.open(options);
    try {
      await Promise.all([pair.physician.signIn(pair.physicianIs.name), pair.nurse.signIn(pair.nurseIs.name)]);
      await pair.greet(first);
    } catch (fault) {
      await pair.failed();
      await pair.part();
      throw fault;
    }
    return pair;
  }

  /** They begin to write to each other. */
  async greet(first: string): Promise<void> {
    const { physician, nurse, nurseIs } = this;
    const { page } = physician;
    await physician.go("New");
    await page.getByLabel("Find people by name").fill(nurseIs.name.split(" ").at(-1) ?? "");
    await page.getByRole("button", { name: nurseIs.name }).click();
    await page.getByRole("button", { name: /^Write to/ }).click();
    await page.getByRole("heading", { name: nurseIs.name }).waitFor();
    await physician.write(first);
    await nurse.page.getByRole("button", { name: "Accept" }).click();
    await nurse.sees(first);
  }

  /** Somebody else comes, or one of the two with another device. */
  async join(size: { width: number; height: number }, touch = false): Promise<Person> {
    const person = await Person.at(this.#browser, this.server.address, size, touch);
    this.everybody.push(person);
    return person;
  }

  /** Everything that should not have been, of everybody. */
  get faults(): readonly string[] {
    return this.everybody.flatMap((person) => person.faults);
  }

  /** Says and shows where a step has failed. */
  async failed(): Promise<void> {
    for (const [i, person] of this.everybody.entries()) {
      process.stderr.write([...person.faults, ...person.said.slice(-15)].join("\n"));
      await person.page.screenshot({ path: `${pictures}failed-${String(i)}.png` }).catch(() => undefined);
    }
  }

  async part(): Promise<void> {
    await this.#browser.close();
    await this.server.stop();
  }
}
