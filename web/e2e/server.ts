import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Colleague } from "./Colleague.ts";

export interface DemoSignIn {
  readonly user: string;
  readonly name: string;
  readonly role: string;
  readonly password: string;
}

/** A demo hospital of its own, run from the built binary in a folder that is thrown away, on a port of its own. */
export class Server {
  readonly address: string;
  readonly #binary: string;
  readonly #port: number;
  readonly #dir: string;
  #process: ChildProcess | undefined;
  #said = "";

  private constructor(binary: string, port: number, dir: string) {
    this.#binary = binary;
    this.#port = port;
    this.#dir = dir;
    this.address = `http://localhost:${String(port)}`;
  }

  static async start(): Promise<Server> {
    const binary = process.env["MYELIN_E2E_BIN"];
    if (binary === undefined || binary === "") throw new Error("set MYELIN_E2E_BIN to the built server, such as bin/myelin");
    const server = new Server(binary, await freePort(), await mkdtemp(join(tmpdir(), "myelin-e2e-")));
    await server.run();
    return server;
  }

  /** Starts the process (again) and waits until it serves. */
  async run(): Promise<void> {
    const listen = `127.0.0.1:${String(this.#port)}`;
    const child = spawn(this.#binary, ["demo", "--dir", join(this.#dir, "demo"), "--listen", listen], {
      cwd: this.#dir,
      env: { PATH: process.env["PATH"], HOME: this.#dir },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const note = (chunk: Buffer): void => {
      this.#said = (this.#said + chunk.toString()).slice(-8000);
    };
    child.stdout.on("data", note);
    child.stderr.on("data", note);
    this.#process = child;
    const until = Date.now() + 60_000;
    while (Date.now() < until) {
      if (child.exitCode !== null || child.signalCode !== null) break;
      try {
        if ((await this.people()).length > 0) return;
      } catch {
        // not listening yet, or the hospital is being made
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`the server did not start:\n${this.#said}`);
  }

  /** Ends the process as a power cut would. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** Somebody who uses the API with a program of their own. */
  async colleague(user: string): Promise<Colleague> {
    const who = (await this.people()).find((person) => person.user === user || person.name === user);
    if (who === undefined) throw new Error(`nobody is called ${user}`);
    return Colleague.at(this.address, who);
  }

  /** Signs somebody out everywhere, as an administrator might. */
  async endSessions(user: string): Promise<void> {
    await (await this.colleague(user)).call("POST", "logout/all", {});
  }

  /** Has somebody say numbered lines in a room, in the clear. */
  async say(user: string, room: string, count: number): Promise<void> {
    const colleague = await this.colleague(user);
    for (let i = 1; i <= count; i++) await colleague.say(room, `Line ${String(i)}`);
  }

  async people(): Promise<readonly DemoSignIn[]> {
    const response = await fetch(`${this.address}/_myelin/v1/demo`);
    return ((await response.json()) as { people: DemoSignIn[] }).people;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => {
        if (address === null || typeof address === "string") reject(new Error("no port"));
        else resolve(address.port);
      });
    });
  });
}
