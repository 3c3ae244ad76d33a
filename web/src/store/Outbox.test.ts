import { beforeEach, describe, expect, it } from "vitest";

import { mediaOf, MemoryShelf } from "../testing/app.ts";
import { Refusal } from "./Homeserver.ts";
import { Outbox, type UploadHooks, type OutboxOptions } from "./Outbox.ts";
import type { Uploaded } from "./media.ts";
import type { OutboxEntry } from "./model.ts";

/** A server whose answers the test gives one by one. */
class Server {
  readonly tried: string[] = [];
  #answers: { yes: (event: string) => void; no: (fault: unknown) => void }[] = [];

  readonly deliver = (entry: OutboxEntry): Promise<string> => {
    this.tried.push(entry.content.kind === "text" ? entry.content.text : entry.content.kind === "media" ? entry.content.name : entry.content.kind);
    return new Promise((yes, no) => this.#answers.push({ yes, no }));
  };

  /** Uploads in the order of asking; the test ends them. */
  readonly uploads: { name: string; hooks: UploadHooks; yes: (at: Uploaded) => void; no: (fault: unknown) => void }[] = [];

  readonly upload = (entry: OutboxEntry, hooks: UploadHooks): Promise<Uploaded> =>
    new Promise((yes, no) => {
      this.uploads.push({ name: entry.content.kind === "media" ? entry.content.name : "", hooks, yes, no });
      hooks.signal.addEventListener("abort", () => {
        no(new DOMException("", "AbortError"));
      });
    });

  async accept(event: string): Promise<void> {
    this.#answers.shift()?.yes(event);
    await settled();
  }

  async refuse(fault: unknown): Promise<void> {
    this.#answers.shift()?.no(fault);
    await settled();
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("Outbox", () => {
  let server: Server;
  let shelf: MemoryShelf;
  let pauses: { ms: number; then: () => void }[];
  let txns = 0;
  const seen = new Set<string>();
  const keptBack: string[] = [];

  const optionsOf = (): OutboxOptions => ({
    shelf,
    deliver: server.deliver,
    upload: server.upload,
    keepBack: ({ txn }) => keptBack.push(txn),
    there: (_room, event) => seen.has(event),
    now: () => 1000,
    newTxn: () => `t${String(++txns)}`,
    later: (ms, then) => {
      const pause = { ms, then };
      pauses.push(pause);
      return () => {
        pauses = pauses.filter((one) => one !== pause);
      };
    },
  });
  const make = (): Outbox => new Outbox(optionsOf());
  const states = (outbox: Outbox): string[] => outbox.snapshot.map((entry) => entry.state);

  beforeEach(() => {
    server = new Server();
    shelf = new MemoryShelf();
    pauses = [];
    txns = 0;
    seen.clear();
    keptBack.length = 0;
  });

  it("shows a message as sent only when the server has said so, and keeps it until it is seen", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "hello" });
    expect(shelf.kept.size).toBe(1);
    expect(states(outbox)).toEqual(["sending"]);
    await server.accept("$1");
    expect(outbox.snapshot).toMatchObject([{ state: "sent", event: "$1" }]);
    await outbox.settle();
    expect(outbox.snapshot).toHaveLength(1);
    seen.add("$1");
    await outbox.settle();
    expect(outbox.snapshot).toHaveLength(0);
    expect(shelf.kept.size).toBe(0);
  });

  it("lets go at once when the timeline was faster than the answer", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "hello" });
    seen.add("$1");
    await server.accept("$1");
    expect(outbox.snapshot).toEqual([]);
  });

  it("sends in order within a room, and rooms side by side", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "a1" });
    await outbox.enqueue("!a", { kind: "text", text: "a2" });
    await outbox.enqueue("!b", { kind: "text", text: "b1" });
    expect(server.tried).toEqual(["a1", "b1"]);
    await server.accept("$a1");
    expect(server.tried).toEqual(["a1", "b1", "a2"]);
  });

  it("tries again with the same transaction after longer and longer pauses while the server is away", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    const waits: number[] = [];
    for (let i = 0; i < 7; i++) {
      await server.refuse(new Refusal("unreachable", "away"));
      expect(states(outbox)).toEqual(["waiting"]);
      const pause = pauses.shift();
      waits.push(pause?.ms ?? 0);
      pause?.then();
      await settled();
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000]);
    await server.accept("$x");
    expect(outbox.snapshot).toMatchObject([{ txn: "t1", state: "sent" }]);
  });

  it("waits as long as a busy server asks", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    await server.refuse(new Refusal("limited", "slow down", 7000));
    expect(pauses.map((pause) => pause.ms)).toEqual([7000]);
  });

  it("does not wait out the pause when the network is back", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    await server.refuse(new Refusal("unreachable", "away"));
    outbox.flush();
    await settled();
    expect(pauses).toEqual([]);
    expect(server.tried).toEqual(["x", "x"]);
  });

  it("goes on behind a message that was refused for good, which can be sent anew or thrown away", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "bad" });
    await outbox.enqueue("!a", { kind: "text", text: "good" });
    await server.refuse(new Refusal("forbidden", "no"));
    expect(states(outbox)).toEqual(["failed", "sending"]);
    await server.accept("$good");
    await outbox.retry("t1");
    expect(outbox.snapshot.map((entry) => [entry.txn, entry.state])).toEqual([
      ["t2", "sent"],
      ["t3", "sending"],
    ]);
    await server.refuse(new Error("anything else"));
    expect(states(outbox)).toEqual(["sent", "failed"]);
    await outbox.discard("t3");
    expect(states(outbox)).toEqual(["sent"]);
    expect([...shelf.kept.keys()]).toEqual(["t2"]);
  });

  it("never throws away what may already be on the server", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    await outbox.discard("t1");
    await outbox.retry("t1");
    expect(states(outbox)).toEqual(["sending"]);
  });

  it("takes up after a reload what an earlier run left, with the same transaction, and forgets what was acknowledged", async () => {
    const first = make();
    await first.start();
    await first.enqueue("!a", { kind: "text", text: "acknowledged" });
    await server.accept("$1");
    await first.enqueue("!a", { kind: "text", text: "cut off" });
    first.stop();
    const second = make();
    await second.start();
    expect(second.snapshot).toMatchObject([{ txn: "t2", state: "sending" }]);
    expect(server.tried).toEqual(["acknowledged", "cut off", "cut off"]);
  });

  it("sends nothing before it is started or after it is stopped", async () => {
    const outbox = make();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    expect(server.tried).toEqual([]);
    await outbox.start();
    expect(server.tried).toEqual(["x"]);
    outbox.stop();
    await server.refuse(new Refusal("unreachable", "away"));
    await outbox.enqueue("!b", { kind: "text", text: "y" });
    expect(server.tried).toEqual(["x"]);
    expect(states(outbox)).toEqual(["waiting", "waiting"]);
  });

  it("lets go of sent messages when the room's timeline is cut", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    await server.accept("$x");
    await outbox.settleRoom("!b");
    expect(outbox.snapshot).toHaveLength(1);
    await outbox.settleRoom("!a");
    expect(outbox.snapshot).toHaveLength(0);
  });

  const film = mediaOf(new File(["x"], "gait.mp4"));
  const there: Uploaded = { blob: "mxc://s/1", thumbnail: undefined };

  it("puts files on the server first, tells how far they are, and lets words pass meanwhile", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", film);
    await outbox.enqueue("!a", { kind: "text", text: "see the film" });
    expect(server.tried).toEqual(["see the film"]);
    server.uploads[0]?.hooks.onProgress(0.5);
    expect([...outbox.progress.snapshot]).toEqual([["t1", 0.5]]);
    server.uploads[0]?.yes(there);
    await settled();
    expect(shelf.kept.get("t1")).toMatchObject({ state: "waiting", uploaded: there });
    expect(outbox.progress.snapshot.size).toBe(0);
    await server.accept("$text");
    expect(server.tried).toEqual(["see the film", "gait.mp4"]);
    await server.accept("$film");
    expect(states(outbox)).toEqual(["sent", "sent"]);
  });

  it("stops an upload and keeps nothing of it, and goes on with the next", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", film);
    await outbox.enqueue("!a", mediaOf(new File(["y"], "second.mp4")));
    await outbox.discard("t1");
    await settled();
    expect([outbox.snapshot.map((entry) => entry.txn), [...shelf.kept.keys()]]).toEqual([["t2"], ["t2"]]);
    expect(server.uploads.map((upload) => upload.name)).toEqual(["gait.mp4", "second.mp4"]);
    expect(outbox.progress.snapshot.has("t1")).toBe(false);
  });

  it("never uploads twice what an earlier run has uploaded", async () => {
    const first = make();
    await first.start();
    await first.enqueue("!a", film);
    server.uploads[0]?.yes(there);
    await settled();
    first.stop();
    const second = make();
    await second.start();
    expect(server.uploads).toHaveLength(1);
    expect(second.snapshot).toMatchObject([{ txn: "t1", state: "sending", uploaded: there }]);
  });

  it("begins an upload again that was cut off, also by the end of the page", async () => {
    const first = make();
    await first.start();
    await first.enqueue("!a", film);
    server.uploads[0]?.no(new Refusal("unreachable", "away"));
    await settled();
    expect(states(first)).toEqual(["waiting"]);
    first.flush();
    await settled();
    first.stop();
    await settled();
    expect(shelf.kept.get("t1")?.state).not.toBe("failed");
    await make().start();
    expect(server.uploads.map((upload) => upload.name)).toEqual(["gait.mp4", "gait.mp4", "gait.mp4"]);
  });

  it("says why a file was not taken", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", film);
    server.uploads[0]?.no(new Refusal("tooLarge", "413"));
    await settled();
    expect(outbox.snapshot).toMatchObject([{ state: "failed", fault: "tooLarge" }]);
  });

  it("says that a critical message was not sent when the server does not answer in time, and sends it later only when asked", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "resus 4" }, undefined, true);
    expect(pauses.map((pause) => pause.ms)).toEqual([5000]);
    pauses.shift()?.then();
    await settled();
    expect(outbox.snapshot).toMatchObject([{ state: "failed", fault: "late" }]);
    expect(keptBack).toEqual(["t1"]);
    await server.refuse(new Refusal("unreachable", "away"));
    outbox.flush();
    await settled();
    expect(server.tried).toEqual(["resus 4"]);
    await outbox.retry("t1");
    await settled();
    expect(server.tried).toEqual(["resus 4", "resus 4"]);
    await server.accept("$1");
    expect(outbox.snapshot).toMatchObject([{ txn: "t1", state: "sent", event: "$1" }]);
  });

  it("takes back that a critical message was not sent when the server answers after all", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "resus 4" }, undefined, true);
    pauses.shift()?.then();
    await settled();
    await server.accept("$1");
    expect(states(outbox)).toEqual(["sent"]);
  });

  it("does not send a critical message that a closed page left behind", async () => {
    const first = make();
    await first.start();
    await first.enqueue("!a", { kind: "text", text: "resus 4" }, undefined, true);
    first.stop();
    const second = make();
    await second.start();
    expect(second.snapshot).toMatchObject([{ txn: "t1", state: "failed", fault: "late" }]);
    expect(server.tried).toEqual(["resus 4"]);
  });

  it("tries a critical message at once, whatever pause the conversation is in", async () => {
    const outbox = make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "routine" });
    await server.refuse(new Refusal("unreachable", "away"));
    await outbox.enqueue("!a", { kind: "text", text: "resus 4" }, undefined, true);
    await settled();
    expect(server.tried).toEqual(["routine", "routine"]);
  });

  it("does not send a critical message that another tab was to send and did not", async () => {
    const follower = new Outbox({ ...optionsOf(), leader: () => ({ adopt: () => new Promise(() => undefined), retry: () => Promise.resolve(), discard: () => Promise.resolve() }) });
    void follower.enqueue("!a", { kind: "text", text: "resus 4" }, undefined, true);
    follower.show([]);
    expect(states(follower)).toEqual(["waiting"]);
    pauses.shift()?.then();
    expect(follower.snapshot).toMatchObject([{ state: "failed", fault: "late" }]);
    const next = make();
    await next.start();
    await next.adopt({ txn: "t1", room: "!a", at: -4000, content: { kind: "text", text: "resus 4" }, state: "waiting", event: undefined, critical: true });
    expect(next.snapshot).toMatchObject([{ state: "failed", fault: "late" }]);
    expect(server.tried).toEqual([]);
  });

  it("hands everything to the tab that sends, and shows what that one tells", async () => {
    const leader = make();
    await leader.start();
    const follower = new Outbox({ ...optionsOf(), leader: () => leader });
    await follower.enqueue("!a", { kind: "text", text: "x" });
    expect(states(follower)).toEqual(["waiting"]);
    follower.show(leader.snapshot);
    expect(states(follower)).toEqual(["sending"]);
    await server.refuse(new Refusal("forbidden", "no"));
    await follower.retry("t1");
    expect(states(leader)).toEqual(["sending"]);
    await leader.adopt({ txn: "t2", room: "!a", at: 0, content: { kind: "text", text: "again" }, state: "waiting", event: undefined });
    expect(leader.snapshot).toHaveLength(1);
  });
});
