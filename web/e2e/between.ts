import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Stands between a browser and the server: can hold back answers, and can pass the app off as a newer version of itself. */
export class Between {
  readonly address: string;
  readonly #server: Server;
  readonly #to: string;
  #renewed = false;
  #held: { readonly path: string; readonly passes: (() => void)[] } | undefined;

  private constructor(server: Server, to: string) {
    this.#server = server;
    this.#to = to;
    this.address = `http://localhost:${String((server.address() as AddressInfo).port)}`;
  }

  static async before(to: string): Promise<Between> {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const between = new Between(server, to);
    server.on("request", (asked: IncomingMessage, answer: ServerResponse) => {
      const held = between.#held;
      if (held === undefined || asked.url?.startsWith(held.path) !== true) between.#pass(asked, answer);
      else
        held.passes.push(() => {
          if (!answer.closed) between.#pass(asked, answer);
        });
    });
    return between;
  }

  /** From now on nothing is answered, or nothing under a path. */
  hold(path = "/"): void {
    this.#held = { path, passes: [] };
  }

  /** How many wait for an answer. */
  get holding(): number {
    return this.#held?.passes.length ?? 0;
  }

  /** Answers again, also what was asked meanwhile and is still waited for. */
  release(): void {
    const passes = this.#held?.passes ?? [];
    this.#held = undefined;
    for (const pass of passes) pass();
  }

  /** From now on the app is a newer version, and its page says so. */
  renew(): void {
    this.#renewed = true;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #pass(asked: IncomingMessage, answer: ServerResponse): void {
    const renewed = this.#renewed ? renewals[asked.url ?? ""] : undefined;
    const whole = renewed === undefined ? {} : { "accept-encoding": "identity", "if-none-match": "", "if-modified-since": "" };
    const headers = { ...asked.headers, ...whole, host: new URL(this.#to).host };
    const passed = request(`${this.#to}${asked.url ?? ""}`, { method: asked.method, headers }, (given) => {
      if (renewed === undefined) {
        answer.writeHead(given.statusCode ?? 502, given.headers);
        given.pipe(answer);
        return;
      }
      const chunks: Buffer[] = [];
      given.on("data", (chunk: Buffer) => chunks.push(chunk));
      given.on("end", () => {
        const body = Buffer.from(renewed(Buffer.concat(chunks).toString()));
        answer.writeHead(given.statusCode ?? 502, { ...given.headers, "content-length": body.length }).end(body);
      });
    });
    passed.on("error", () => answer.destroy());
    asked.pipe(passed);
    answer.on("close", () => passed.destroy());
  }
}

/** What is different in a newer version of the app, by path. */
const renewals: Readonly<Record<string, (body: string) => string>> = {
  "/sw.js": (body) => body.replace('"version":"', '"version":"newer-'),
  "/": (body) => body.replace("<head>", '<head><meta name="version" content="newer">'),
};
