import { beforeEach, describe, expect, it } from "vitest";

import { mediaOf } from "../testing/app.ts";
import { Post, settled, statesOf } from "../testing/outbox.ts";
import { Refusal } from "./Homeserver.ts";
import type { Uploaded } from "./media.ts";

describe("Outbox", () => {
  let post: Post;
  beforeEach(() => {
    post = new Post();
  });

  it("shows a message as sent only when the server has said so, and keeps it until it is seen", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "hello" });
    expect(post.shelf.kept.size).toBe(1);
    expect(statesOf(outbox)).toEqual(["sending"]);
    await post.server.accept("$1");
    expect(outbox.snapshot).toMatchObject([{ state: "sent", event: "$1" }]);
    await outbox.settle();
    expect(outbox.snapshot).toHaveLength(1);
    post.seen.add("$1");
    await outbox.settle();
    expect(outbox.snapshot).toHaveLength(0);
    expect(post.shelf.kept.size).toBe(0);
  });

  it("lets go at once when the timeline was faster than the answer", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "hello" });
    post.seen.add("$1");
    await post.server.accept("$1");
    expect(outbox.snapshot).toEqual([]);
  });

  it("sends in order within a room, and rooms side by side", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "a1" });
    await outbox.enqueue("!a", { kind: "text", text: "a2" });
    await outbox.enqueue("!b", { kind: "text", text: "b1" });
    expect(post.server.tried).toEqual(["a1", "b1"]);
    await post.server.accept("$a1");
    expect(post.server.tried).toEqual(["a1", "b1", "a2"]);
  });

  it("tries again with the same transaction after longer and longer post.pauses while the server is away", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    const waits: number[] = [];
    for (let i = 0; i < 7; i++) {
      await post.server.refuse(new Refusal("unreachable", "away"));
      expect(statesOf(outbox)).toEqual(["waiting"]);
      const pause = post.pauses.shift();
      waits.push(pause?.ms ?? 0);
      pause?.then();
      await settled();
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000]);
    await post.server.accept("$x");
    expect(outbox.snapshot).toMatchObject([{ txn: "t1", state: "sent" }]);
  });

  it("waits as long as a busy server asks", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    await post.server.refuse(new Refusal("limited", "slow down", 7000));
    expect(post.pauses.map((pause) => pause.ms)).toEqual([7000]);
  });

  it("does not wait out the pause when the network is back", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    await post.server.refuse(new Refusal("unreachable", "away"));
    outbox.flush();
    await settled();
    expect(post.pauses).toEqual([]);
    expect(post.server.tried).toEqual(["x", "x"]);
  });

  it("goes on behind a message that was refused for good, which can be sent anew or thrown away", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "bad" });
    await outbox.enqueue("!a", { kind: "text", text: "good" });
    await post.server.refuse(new Refusal("forbidden", "no"));
    expect(statesOf(outbox)).toEqual(["failed", "sending"]);
    await post.server.accept("$good");
    await outbox.retry("t1");
    expect(outbox.snapshot.map((entry) => [entry.txn, entry.state])).toEqual([
      ["t2", "sent"],
      ["t3", "sending"],
    ]);
    await post.server.refuse(new Error("anything else"));
    expect(statesOf(outbox)).toEqual(["sent", "failed"]);
    await outbox.discard("t3");
    expect(statesOf(outbox)).toEqual(["sent"]);
    expect([...post.shelf.kept.keys()]).toEqual(["t2"]);
  });

  it("never throws away what may already be on the server", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    await outbox.discard("t1");
    await outbox.retry("t1");
    expect(statesOf(outbox)).toEqual(["sending"]);
  });

  it("takes up after a reload what an earlier run left, with the same transaction, and forgets what was acknowledged", async () => {
    const first = post.make();
    await first.start();
    await first.enqueue("!a", { kind: "text", text: "acknowledged" });
    await post.server.accept("$1");
    await first.enqueue("!a", { kind: "text", text: "cut off" });
    first.stop();
    const second = post.make();
    await second.start();
    expect(second.snapshot).toMatchObject([{ txn: "t2", state: "sending" }]);
    expect(post.server.tried).toEqual(["acknowledged", "cut off", "cut off"]);
  });

  it("sends nothing before it is started or after it is stopped", async () => {
    const outbox = post.make();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    expect(post.server.tried).toEqual([]);
    await outbox.start();
    expect(post.server.tried).toEqual(["x"]);
    outbox.stop();
    await post.server.refuse(new Refusal("unreachable", "away"));
    await outbox.enqueue("!b", { kind: "text", text: "y" });
    expect(post.server.tried).toEqual(["x"]);
    expect(statesOf(outbox)).toEqual(["waiting", "waiting"]);
  });

  it("lets go of sent messages when the room's timeline is cut", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    await post.server.accept("$x");
    await outbox.settleRoom("!b");
    expect(outbox.snapshot).toHaveLength(1);
    await outbox.settleRoom("!a");
    expect(outbox.snapshot).toHaveLength(0);
  });

  const film = mediaOf(new File(["x"], "gait.mp4"));
  const there: Uploaded = { blob: "mxc://s/1", thumbnail: undefined };

  it("puts files on the server first, tells how far they are, and lets words pass meanwhile", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", film);
    await outbox.enqueue("!a", { kind: "text", text: "see the film" });
    expect(post.server.tried).toEqual(["see the film"]);
    post.server.uploads[0]?.hooks.onProgress(0.5);
    expect([...outbox.progress.snapshot]).toEqual([["t1", 0.5]]);
    post.server.uploads[0]?.yes(there);
    await settled();
    expect(post.shelf.kept.get("t1")).toMatchObject({ state: "waiting", uploaded: there });
    expect(outbox.progress.snapshot.size).toBe(0);
    await post.server.accept("$text");
    expect(post.server.tried).toEqual(["see the film", "gait.mp4"]);
    await post.server.accept("$film");
    expect(statesOf(outbox)).toEqual(["sent", "sent"]);
  });

  it("stops an upload and keeps nothing of it, and goes on with the next", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", film);
    await outbox.enqueue("!a", mediaOf(new File(["y"], "second.mp4")));
    await outbox.discard("t1");
    await settled();
    expect([outbox.snapshot.map((entry) => entry.txn), [...post.shelf.kept.keys()]]).toEqual([["t2"], ["t2"]]);
    expect(post.server.uploads.map((upload) => upload.name)).toEqual(["gait.mp4", "second.mp4"]);
    expect(outbox.progress.snapshot.has("t1")).toBe(false);
  });

  it("never uploads twice what an earlier run has uploaded", async () => {
    const first = post.make();
    await first.start();
    await first.enqueue("!a", film);
    post.server.uploads[0]?.yes(there);
    await settled();
    first.stop();
    const second = post.make();
    await second.start();
    expect(post.server.uploads).toHaveLength(1);
    expect(second.snapshot).toMatchObject([{ txn: "t1", state: "sending", uploaded: there }]);
  });

  it("begins an upload again that was cut off, also by the end of the page", async () => {
    const first = post.make();
    await first.start();
    await first.enqueue("!a", film);
    post.server.uploads[0]?.no(new Refusal("unreachable", "away"));
    await settled();
    expect(statesOf(first)).toEqual(["waiting"]);
    first.flush();
    await settled();
    first.stop();
    await settled();
    expect(post.shelf.kept.get("t1")?.state).not.toBe("failed");
    await post.make().start();
    expect(post.server.uploads.map((upload) => upload.name)).toEqual(["gait.mp4", "gait.mp4", "gait.mp4"]);
  });

  it("says why a file was not taken", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", film);
    post.server.uploads[0]?.no(new Refusal("tooLarge", "413"));
    await settled();
    expect(outbox.snapshot).toMatchObject([{ state: "failed", fault: "tooLarge" }]);
  });

  it("says that a critical message was not sent when the server does not answer in time, and sends it later only when asked", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "resus 4", priority: "critical" });
    await post.outOfTime();
    expect(outbox.snapshot).toMatchObject([{ state: "failed", fault: "late" }]);
    expect(post.keptBack).toEqual(["t1"]);
    await post.server.refuse(new Refusal("unreachable", "away"));
    outbox.flush();
    await settled();
    expect(post.server.tried).toEqual(["resus 4"]);
    await outbox.retry("t1");
    await settled();
    expect(post.server.tried).toEqual(["resus 4", "resus 4"]);
    await post.server.accept("$1");
    expect(outbox.snapshot).toMatchObject([{ txn: "t1", state: "sent", event: "$1" }]);
  });

  it("takes back that a critical message was not sent when the server answers after all", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "resus 4", priority: "critical" });
    await post.outOfTime();
    await post.server.accept("$1");
    expect(statesOf(outbox)).toEqual(["sent"]);
  });

  it("does not send a critical message that a closed page left behind", async () => {
    const first = post.make();
    await first.start();
    await first.enqueue("!a", { kind: "text", text: "resus 4", priority: "critical" });
    first.stop();
    post.clock += 5000;
    const second = post.make();
    await second.start();
    expect(second.snapshot).toMatchObject([{ txn: "t1", state: "failed", fault: "late" }]);
    expect(post.server.tried).toEqual(["resus 4"]);
  });

  it("tries a critical message at once, whatever pause the conversation is in", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "routine" });
    await post.server.refuse(new Refusal("unreachable", "away"));
    await outbox.enqueue("!a", { kind: "text", text: "resus 4", priority: "critical" });
    await settled();
    expect(post.server.tried).toEqual(["routine", "routine"]);
  });

  it("lets go of a message whose answer was lost when it is seen, also one that counts as not sent", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "resus 4", priority: "critical" });
    await post.outOfTime();
    expect(statesOf(outbox)).toEqual(["failed"]);
    post.seen.add("t1");
    await outbox.settle();
    expect([outbox.snapshot, post.shelf.kept.size]).toEqual([[], 0]);
    await post.server.refuse(new Refusal("unreachable", "the answer was lost"));
    expect(outbox.snapshot).toEqual([]);
  });

  it("lets the answer decide that comes while it is being given up", async () => {
    let write: () => void = () => undefined;
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "resus 4", priority: "critical" });
    const update = post.shelf.update.bind(post.shelf);
    post.shelf.update = async (entry) => {
      await new Promise<void>((yes) => (write = yes));
      return update(entry);
    };
    await post.outOfTime(); // its being late is not written down yet
    await post.server.accept("$1");
    write();
    await settled();
    write();
    await settled();
    expect(outbox.snapshot).toMatchObject([{ state: "sent", event: "$1" }]);
    expect(post.shelf.kept.get("t1")).toMatchObject({ state: "sent" });
  });

  it("does not send a late picture by itself when its file is up at last", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { ...film, priority: "critical" });
    await post.outOfTime();
    post.server.uploads[0]?.yes(there);
    await settled();
    expect(outbox.snapshot).toMatchObject([{ state: "failed", fault: "late", uploaded: there }]);
    expect(post.server.tried).toEqual([]);
    await outbox.retry("t1");
    expect(post.server.tried).toEqual(["gait.mp4"]);
  });

  it("sends a refused message anew once, however often that is asked, and never without it on the shelf", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    await post.server.refuse(new Refusal("forbidden", "no"));
    await Promise.all([outbox.retry("t1"), outbox.retry("t1")]);
    expect(post.server.tried).toEqual(["x", "x"]);
    await post.server.refuse(new Refusal("forbidden", "no"));
    post.shelf.full = true;
    await expect(outbox.retry("t2")).rejects.toThrow();
    expect([statesOf(outbox), [...post.shelf.kept.keys()]]).toEqual([["failed"], ["t2"]]);
  });

  it("never sends a message anew that the server may have taken", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    await post.server.refuse(new Error("who knows"));
    expect(outbox.snapshot).toMatchObject([{ txn: "t1", state: "failed", fault: "other" }]);
    await outbox.retry("t1");
    expect(outbox.snapshot).toMatchObject([{ txn: "t1", state: "sending" }]);
  });

  it("is not held up by what was begun before it stopped", async () => {
    const outbox = post.make();
    await outbox.start();
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    outbox.stop(); // and that one is never answered
    outbox.takeOver();
    await outbox.start();
    expect(post.server.tried).toEqual(["x", "x"]);
    expect(outbox.snapshot).toHaveLength(1);
  });

  it("loads again what could not be read", async () => {
    await post.shelf.add({ txn: "t9", room: "!a", at: 0, content: { kind: "text", text: "x" }, state: "waiting", event: undefined });
    const load = post.shelf.load.bind(post.shelf);
    post.shelf.load = () => Promise.reject(new Error("busy"));
    const outbox = post.make();
    await expect(outbox.load()).rejects.toThrow();
    post.shelf.load = load;
    await outbox.start();
    expect(post.server.tried).toEqual(["x"]);
  });
});
