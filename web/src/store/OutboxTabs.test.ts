import { beforeEach, describe, expect, it } from "vitest";

import { Post, settled, statesOf } from "../testing/outbox.ts";
import { Refusal } from "./Homeserver.ts";
import type { OutboxLeader } from "./Outbox.ts";

/** A tab that has hung. */
const silent: OutboxLeader = { adopt: () => new Promise(() => undefined), retry: () => new Promise(() => undefined), discard: () => new Promise(() => undefined) };

describe("the Outbox of a tab that another one sends for", () => {
  let post: Post;
  beforeEach(() => {
    post = new Post();
  });

  it("keeps a message on the shelf before it shows or hands it over, and says when it cannot", async () => {
    const steps: string[] = [];
    const add = post.shelf.add.bind(post.shelf);
    post.shelf.add = (entry) => {
      steps.push("kept");
      return add(entry);
    };
    const adopt = (): Promise<boolean> => {
      steps.push("handed");
      return new Promise(() => undefined);
    };
    const follower = post.make({ leader: () => ({ ...silent, adopt }) });
    follower.subscribe(() => steps.push("shown"));
    await follower.enqueue("!a", { kind: "text", text: "x" });
    expect(steps.indexOf("kept")).toBe(0);
    expect(steps).toContain("handed");
    post.shelf.full = true;
    await expect(follower.enqueue("!a", { kind: "text", text: "y" })).rejects.toThrow();
    expect(follower.snapshot).toHaveLength(1);
    await expect(post.make().enqueue("!a", { kind: "text", text: "y" })).rejects.toThrow();
    expect(post.server.tried).toEqual([]);
  });

  it("does not send a critical message that another tab was to send and did not, until asked", async () => {
    const follower = post.make({ leader: () => silent });
    await follower.enqueue("!a", { kind: "text", text: "resus 4", priority: "critical" });
    follower.show([]);
    expect(statesOf(follower)).toEqual(["waiting"]);
    await post.outOfTime();
    expect(follower.snapshot).toMatchObject([{ state: "failed", fault: "late" }]);
    const next = post.make();
    await next.start();
    expect(await next.adopt("t1")).toBe(true);
    expect(next.snapshot).toMatchObject([{ state: "failed", fault: "late" }]);
    expect(post.server.tried).toEqual([]);
    void follower.retry("t1");
    await settled();
    expect(statesOf(follower)).toEqual(["waiting"]);
    await next.retry("t1");
    expect(post.server.tried).toEqual(["resus 4"]);
  });

  it("asks again for a critical message that the tab that sends told of and then left", async () => {
    const asked: string[] = [];
    const adopt = (txn: string): Promise<boolean> => {
      asked.push(txn);
      return asked.length === 1 ? Promise.resolve(true) : Promise.reject(new Refusal("unreachable", "gone"));
    };
    const follower = post.make({ leader: () => ({ ...silent, adopt }) });
    await follower.enqueue("!a", { kind: "text", text: "resus 4", priority: "critical" });
    await settled();
    follower.show(follower.snapshot.map((entry) => ({ ...entry, state: "sending" })));
    await post.outOfTime();
    expect(asked).toEqual(["t1", "t1"]);
  });

  it("goes on itself with what the tab before it never took, and shows it all the while", async () => {
    let leader: OutboxLeader | undefined = silent;
    const outbox = post.make({ leader: () => leader });
    await outbox.enqueue("!a", { kind: "text", text: "x" });
    await outbox.enqueue("!a", { kind: "text", text: "thrown away" });
    void outbox.discard("t2");
    outbox.show([]);
    leader = undefined;
    outbox.takeOver();
    expect(outbox.snapshot).toHaveLength(1);
    await outbox.start();
    expect(post.server.tried).toEqual(["x"]);
  });

  it("hands everything to the tab that sends, and shows what that one tells", async () => {
    const leader = post.make();
    await leader.start();
    const follower = post.make({ leader: () => leader });
    await follower.enqueue("!a", { kind: "text", text: "x" });
    await settled();
    expect(statesOf(follower)).toEqual(["waiting"]);
    follower.show(leader.snapshot);
    expect(statesOf(follower)).toEqual(["sending"]);
    await post.server.refuse(new Refusal("forbidden", "no"));
    follower.show(leader.snapshot);
    await follower.retry("t1");
    expect(statesOf(leader)).toEqual(["sending"]);
    expect(await leader.adopt("t2")).toBe(true);
    expect(await leader.adopt("t1")).toBe(false);
    expect(leader.snapshot).toHaveLength(1);
  });

  it("tells the tab that takes over of what it may have missed on the shelf", async () => {
    const asked: string[] = [];
    const leaders: OutboxLeader[] = [];
    const before = post.make({ leader: () => leaders[0] });
    await before.start();
    await before.enqueue("!a", { kind: "text", text: "x" });
    leaders.push({
      ...silent,
      adopt: (txn) => {
        asked.push(txn);
        return Promise.resolve(true);
      },
    });
    before.handOver();
    expect(asked).toEqual(["t1"]);
    expect(statesOf(before)).toEqual(["waiting"]);
  });
});
