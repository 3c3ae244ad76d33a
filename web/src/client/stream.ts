// Requests of the client-server API over one WebSocket, as docs/stream.md has it: a `fetch` for the SDK that uses
// the stream while there is one, and HTTP when not.

type Fetch = typeof globalThis.fetch;

interface Carried {
  readonly token: string;
  readonly method: string;
  readonly path: string;
  readonly body: string;
  /** How long the answer may take, in milliseconds. */
  readonly patience: number;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

const streamPath = "/_myelin/v1/stream";
const helloTime = 10_000;
const patience = 20_000;
const firstRetry = 5_000;
const longestRetry = 600_000;
const largest = 100_000;

/** What signs in and out, or is no JSON, goes by HTTP. */
const notCarried = /\/log|\/register|\/refresh|\/account\/|\/media\//u;

export class Stream {
  readonly #origin: string;
  readonly #http: Fetch;
  readonly #connect: (url: string) => WebSocket;
  readonly #asked = new Map<number, (answer: Answer | undefined) => void>();
  #socket: WebSocket | undefined;
  #opening: WebSocket | undefined;
  #token = "";
  #last = 0;
  #failures = 0;
  #notBefore = 0;
  #closed = false;

  constructor(origin: string, http: Fetch = (input, init) => globalThis.fetch(input, init), connect = (url: string) => new WebSocket(url)) {
    this.#origin = origin;
    this.#http = http;
    this.#connect = connect;
  }

  /** Is there a stream now? */
  get up(): boolean {
    return this.#socket !== undefined;
  }

  readonly fetch: Fetch = async (input, init) => {
    const request = this.#carried(input, init);
    const socket = request === undefined ? undefined : this.#ready(request.token);
    if (request === undefined || socket === undefined) return this.#http(input, init);
    const answer = await this.#ask(socket, request, init?.signal ?? undefined);
    if (answer !== undefined) {
      this.#failures = 0;
      return new Response(answer.body, { status: answer.status, headers: { "Content-Type": "application/json" } });
    }
    this.#lose(socket);
    // It may have been done; whoever asked knows whether to ask again.
    if (request.method === "POST") throw new TypeError("the stream was cut");
    return this.#http(input, init);
  };

  /** The network is another one: what there was is dead, and what failed may work. */
  networkChanged(): void {
    this.#failures = 0;
    if (this.#socket !== undefined) this.#lose(this.#socket);
    this.#notBefore = 0;
  }

  close(): void {
    this.#closed = true;
    this.#opening?.close();
    if (this.#socket !== undefined) this.#lose(this.#socket);
  }

  #carried(input: RequestInfo | URL, init: RequestInit | undefined): Carried | undefined {
    const url = new URL(input instanceof Request ? input.url : input, this.#origin);
    const token = new Headers(init?.headers).get("Authorization")?.replace(/^Bearer /u, "");
    const body = init?.body ?? "";
    if (input instanceof Request || token === undefined || typeof body !== "string" || body.length > largest) return undefined;
    if (url.origin !== this.#origin || !url.pathname.startsWith("/_matrix/client/") || notCarried.test(url.pathname)) return undefined;
    const waits = Number(url.searchParams.get("timeout") ?? 0);
    return {
      token,
      body,
      method: init?.method ?? "GET",
      path: url.pathname + url.search,
      patience: patience + (Number.isFinite(waits) ? waits : 0),
    };
  }

  /** The stream, if there is one; else one is opened when it is time for that. */
  #ready(token: string): WebSocket | undefined {
    if (this.#socket !== undefined) {
      if (token !== this.#token) this.#socket.send(`hello ${token}`);
      this.#token = token;
      return this.#socket;
    }
    const now = !this.#closed && globalThis.navigator.onLine !== false && Date.now() >= this.#notBefore;
    if (this.#opening === undefined && now) this.#dial(token);
    return undefined;
  }

  #dial(token: string): void {
    const socket = this.#connect(this.#origin.replace(/^http/u, "ws") + streamPath);
    this.#opening = socket;
    const late = setTimeout(() => {
      this.#lose(socket);
    }, helloTime);
    socket.onopen = () => {
      socket.send(`hello ${token}`);
    };
    socket.onmessage = (message: MessageEvent<unknown>) => {
      const text = String(message.data);
      if (text !== "welcome") {
        this.#answered(text);
        return;
      }
      clearTimeout(late);
      if (this.#opening !== socket) return;
      this.#opening = undefined;
      this.#socket = socket;
      this.#token = token;
    };
    socket.onclose = () => {
      clearTimeout(late);
      this.#lose(socket);
    };
  }

  #answered(text: string): void {
    const end = text.indexOf("\n");
    const [id, status] = text.slice(0, end).split(" ");
    this.#asked.get(Number(id))?.({ status: Number(status), body: text.slice(end + 1) });
  }

  /** Asks over the stream; undefined when no answer came. */
  async #ask(socket: WebSocket, request: Carried, signal: AbortSignal | undefined): Promise<Answer | undefined> {
    signal?.throwIfAborted();
    this.#last += 1;
    const id = this.#last;
    let late: ReturnType<typeof setTimeout> | undefined;
    let abort = (): void => undefined;
    try {
      return await new Promise<Answer | undefined>((resolve, reject) => {
        this.#asked.set(id, resolve);
        late = setTimeout(() => {
          resolve(undefined);
        }, request.patience);
        abort = () => {
          if (this.#socket === socket) socket.send(`${String(id)} cancel`);
          reject(signal?.reason as Error);
        };
        signal?.addEventListener("abort", abort);
        socket.send(`${String(id)} ${request.method} ${request.path}\n${request.body}`);
      });
    } finally {
      clearTimeout(late);
      signal?.removeEventListener("abort", abort);
      this.#asked.delete(id);
    }
  }

  /** Gives a stream up: who waits for an answer goes on without, and a new one is tried later. */
  #lose(socket: WebSocket): void {
    if (socket !== this.#socket && socket !== this.#opening) return;
    const was = this.#socket === socket;
    this.#socket = was ? undefined : this.#socket;
    this.#opening = this.#opening === socket ? undefined : this.#opening;
    this.#notBefore = Date.now() + Math.min(firstRetry * 2 ** Math.min(this.#failures, 10), longestRetry);
    this.#failures += 1;
    socket.onclose = null;
    socket.close();
    if (!was) return;
    for (const resolve of this.#asked.values()) resolve(undefined);
  }
}
