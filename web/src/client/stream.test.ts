import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Stream } from "./stream.ts";

const origin = "https://ward.test";
const headers = { Authorization: "Bearer t1" };

/** The other end of a WebSocket, in the hands of the test. */
class Line {
  static readonly all: Line[] = [];
  readonly said: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;
  readonly url: string;
  constructor(url: string) {
    this.url = url;
    Line.all.push(this);
  }
  send(text: string): void {
    this.said.push(text);
  }
  close(): void {
    this.closed = true;
  }
  hear(text: string): void {
    this.onmessage?.({ data: text });
  }
}

function open(): { stream: Stream; http: ReturnType<typeof vi.fn>; line: () => Line } {
  const http = vi.fn(() => Promise.resolve(new Response("by HTTP")));
  const stream = new Stream(origin, http, (url) => new Line(url) as unknown as WebSocket);
  return { stream, http, line: () => Line.all.at(-1) as Line };
}

/** A stream that the server has welcomed. */
async function welcomed(): Promise<ReturnType<typeof open>> {
  const s = open();
  await s.stream.fetch(`${origin}/_matrix/client/v3/sync`, { headers });
  s.line().onopen?.();
  s.line().hear("welcome");
  return s;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("navigator", { onLine: true });
  Line.all.length = 0;
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("stream", () => {
  it("asks by HTTP until there is a stream, then over it", async () => {
    const { stream, http, line } = await welcomed();
    expect(http).toHaveBeenCalledTimes(1);
    expect(line().url).toBe("wss://ward.test/_myelin/v1/stream");
    expect(line().said).toEqual(["hello t1"]);
    const answer = stream.fetch(`${origin}/_matrix/client/v3/x?a=b`, { method: "PUT", body: `{"c":1}`, headers });
    expect(line().said[1]).toBe(`1 PUT /_matrix/client/v3/x?a=b\n{"c":1}`);
    line().hear(`1 403\n{"errcode":"M_FORBIDDEN"}`);
    const response = await answer;
    expect([response.status, await response.json()]).toEqual([403, { errcode: "M_FORBIDDEN" }]);
    void stream.fetch(`${origin}/_matrix/client/v3/x`, { headers: { Authorization: "Bearer t2" } });
    expect(line().said.slice(2)).toEqual(["hello t2", "2 GET /_matrix/client/v3/x\n"]);
    expect(http).toHaveBeenCalledTimes(1);
  });

  it("leaves to HTTP what is not for a stream", async () => {
    const { stream, http } = await welcomed();
    await stream.fetch(`${origin}/_matrix/client/v3/logout`, { method: "POST", headers });
    await stream.fetch(`${origin}/_matrix/client/v1/media/download/a/b`, { headers });
    await stream.fetch(`${origin}/_matrix/client/versions`);
    await stream.fetch("https://elsewhere.test/_matrix/client/v3/x", { headers });
    await stream.fetch(`${origin}/_matrix/client/v3/x`, { method: "PUT", body: new Blob([]), headers });
    expect(http).toHaveBeenCalledTimes(6);
  });

  it("falls back when the stream ends, and returns later", async () => {
    const { stream, http, line } = await welcomed();
    const sync = stream.fetch(`${origin}/_matrix/client/v3/sync?timeout=30000`, { headers });
    const send = stream.fetch(`${origin}/_matrix/client/v3/keys/claim`, { method: "POST", body: "{}", headers });
    line().onclose?.();
    await expect(send).rejects.toThrow(TypeError);
    expect(await (await sync).text()).toBe("by HTTP");
    await stream.fetch(`${origin}/_matrix/client/v3/x`, { headers });
    expect([http.mock.calls.length, Line.all.length, stream.up]).toEqual([3, 1, false]);
    vi.advanceTimersByTime(5_000);
    await stream.fetch(`${origin}/_matrix/client/v3/x`, { headers });
    line().hear("welcome");
    expect([Line.all.length, stream.up]).toEqual([2, true]);
    stream.networkChanged();
    expect([line().closed, stream.up]).toEqual([true, false]);
    await stream.fetch(`${origin}/_matrix/client/v3/x`, { headers });
    expect(Line.all.length).toBe(3);
  });

  it("opens none while the device has no network", async () => {
    const { stream } = open();
    vi.stubGlobal("navigator", { onLine: false });
    stream.networkChanged();
    await stream.fetch(`${origin}/_matrix/client/v3/x`, { headers });
    expect(Line.all).toEqual([]);
    vi.stubGlobal("navigator", { onLine: true });
    stream.networkChanged();
    await stream.fetch(`${origin}/_matrix/client/v3/x`, { headers });
    expect(Line.all.length).toBe(1);
  });

  it("gives up a stream that does not answer", async () => {
    const { stream, http, line } = await welcomed();
    const sync = stream.fetch(`${origin}/_matrix/client/v3/sync?timeout=30000`, { headers });
    await vi.advanceTimersByTimeAsync(49_000);
    expect(http).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await (await sync).text()).toBe("by HTTP");
    expect(line().closed).toBe(true);
    await vi.advanceTimersByTimeAsync(5_000);
    await stream.fetch(`${origin}/_matrix/client/v3/x`, { headers });
    await vi.advanceTimersByTimeAsync(10_000); // no welcome
    expect([Line.all.length, line().closed, stream.up]).toEqual([2, true, false]);
  });

  it("tells the server what nobody waits for any more", async () => {
    const { stream, line } = await welcomed();
    const stop = new AbortController();
    const sync = stream.fetch(`${origin}/_matrix/client/v3/sync`, { headers, signal: stop.signal });
    stop.abort();
    await expect(sync).rejects.toThrow();
    expect(line().said.at(-1)).toBe("1 cancel");
    stream.close();
    expect(line().closed).toBe(true);
  });
});
