import type { DemoSignIn } from "./server.ts";

type Json = Readonly<Record<string, unknown>>;

/** Somebody of the demo hospital who uses the API with a program of their own: what they write is not encrypted. */
export class Colleague {
  readonly user: string;
  readonly name: string;
  readonly #base: string;
  readonly #token: string;
  #sent = 0;

  private constructor(address: string, who: DemoSignIn, token: string) {
    this.#base = `${address}/_matrix`;
    this.#token = token;
    this.user = who.user;
    this.name = who.name;
  }

  static async at(address: string, who: DemoSignIn): Promise<Colleague> {
    const body = JSON.stringify({ type: "m.login.password", identifier: { type: "m.id.user", user: who.user }, password: who.password, initial_device_display_name: "Another program" });
    const answer = await fetch(`${address}/_matrix/client/v3/login`, { method: "POST", body });
    const { access_token } = (await answer.json()) as { access_token?: string };
    if (access_token === undefined) throw new Error(`${who.user} cannot sign in`);
    return new Colleague(address, who, access_token);
  }

  async call(method: string, path: string, body?: object): Promise<Json> {
    return this.#ask(method, `client/v3/${path}`, "application/json", body === undefined ? undefined : JSON.stringify(body));
  }

  /** Makes a room, or finds one by its alias, and answers with its id. */
  async room(what: string | object): Promise<string> {
    const answer = typeof what === "string" ? await this.call("GET", `directory/room/${encodeURIComponent(what)}`) : await this.call("POST", "createRoom", what);
    return String(answer["room_id"]);
  }

  async join(room: string): Promise<void> {
    await this.call("POST", `join/${encodeURIComponent(room)}`, {});
  }

  /** Sends an event and answers with its id. */
  async send(room: string, content: object, type = "m.room.message"): Promise<string> {
    const answer = await this.call("PUT", `rooms/${encodeURIComponent(room)}/send/${type}/c${String(++this.#sent)}`, content);
    return String(answer["event_id"]);
  }

  async say(room: string, body: string, more: object = {}): Promise<string> {
    return this.send(room, { msgtype: "m.text", body, ...more });
  }

  async react(room: string, message: string, sign: string): Promise<void> {
    await this.send(room, { "m.relates_to": { rel_type: "m.annotation", event_id: message, key: sign } }, "m.reaction");
  }

  /** Uploads a file and answers with its address. */
  async upload(type: string, bytes: Buffer): Promise<string> {
    const answer = await this.#ask("POST", "media/v3/upload", type, new Uint8Array(bytes));
    return String(answer["content_uri"]);
  }

  async #ask(method: string, path: string, type: string, body: BodyInit | undefined): Promise<Json> {
    const answer = await fetch(`${this.#base}/${path}`, { method, headers: { Authorization: `Bearer ${this.#token}`, "Content-Type": type }, ...(body === undefined ? {} : { body }) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
    return (await answer.json()) as Json;
  }
}
