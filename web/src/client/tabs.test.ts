import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Refusal } from "../store/Homeserver.ts";
import { Store, type Readable } from "../store/Store.ts";
import { Face } from "./face.ts";
import { Lead, LeaderGone, Tabs, type Channel, type TabsEvents } from "./tabs.ts";

/** Channels that hear each other, as a browser's would: never oneself, and only copies. */
class Air {
  readonly #channels = new Set<Channel>();

  open(): Channel {
    const channel: Channel = {
      postMessage: (message) => {
        const copy: unknown = structuredClone(message);
        for (const other of this.#channels) if (other !== channel) queueMicrotask(() => other.onmessage?.({ data: copy } as MessageEvent));
      },
      onmessage: null,
      close: () => this.#channels.delete(channel),
    };
    this.#channels.add(channel);
    return channel;
  }
}

interface Ward {
  add(patient: string): Promise<number>;
  beds(floor: number): Readable<readonly string[]> | undefined;
  nod(): void;
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 80));

let air: Air;
beforeEach(() => {
  air = new Air();
});

function tab(events: Partial<TabsEvents> = {}): Tabs {
  return new Tabs(air.open(), { onState: () => undefined, onNews: () => undefined, onLeader: () => undefined, onSign: () => undefined, ...events });
}

function face(): Face<Ward> {
  return new Face<Ward>("ward", { beds: (floor) => (floor < 9 ? [] : undefined) }, { nod: true }, {});
}

/** A ward that counts, and refuses a second Ben. */
function ward(beds: Store<readonly string[]>): Ward & { readonly nods: number } {
  let nods = 0;
  return {
    add: (patient) => {
      if (beds.snapshot.includes(patient)) return Promise.reject(new Refusal("limited", "already there", 7));
      beds.update((now) => [...now, patient]);
      return Promise.resolve(beds.snapshot.length);
    },
    beds: () => beds,
    nod: () => {
      nods++;
    },
    get nods() {
      return nods;
    },
  };
}

describe("Tabs", () => {
  it("lets a following tab call, watch and see the states of the leading one", async () => {
    const seen = new Map<string, unknown>();
    const leader = tab();
    const beds = new Store<readonly string[]>([]);
    const list = new Store("rooms");
    leader.lead({ ward: ward(beds) }, { list });
    const follower = tab({ onState: (name, value) => seen.set(name, value) });
    follower.hello();
    await settled();
    expect(seen.get("list")).toBe("rooms");
    list.set("more rooms");
    await settled();
    expect(seen.get("list")).toBe("more rooms");

    const theirs = face();
    theirs.switch({ tabs: follower });
    const shown = theirs.outside.beds(1);
    expect(shown?.snapshot).toEqual([]);
    expect(await theirs.outside.add("Ben")).toBe(1);
    await settled();
    expect(shown?.snapshot).toEqual(["Ben"]);
    await expect(theirs.outside.add("Ben")).rejects.toMatchObject({ name: "Refusal", reason: "limited", wait: 7 });
  });

  it("gives calls up when the leader changes, and says so", async () => {
    const told = vi.fn();
    const follower = tab({ onLeader: told });
    const hanging = tab();
    hanging.lead({ ward: { add: () => new Promise(() => undefined) } }, {});
    const call = follower.call("ward", "add", ["Ben"]);
    const next = tab();
    next.lead({}, {});
    await expect(call).rejects.toBeInstanceOf(LeaderGone);
    expect(told).toHaveBeenCalled();
  });

  it("gives a sign as soon as it is about to lead, and none when it leads no longer", async () => {
    const sign = vi.fn();
    const follower = tab({ onSign: sign });
    const leader = tab();
    follower.ping();
    await settled();
    expect(sign).not.toHaveBeenCalled();
    leader.claim();
    follower.hello();
    await settled();
    expect(sign).toHaveBeenCalledTimes(1);
    leader.lead({}, {});
    follower.ping();
    await settled();
    expect(sign).toHaveBeenCalledTimes(2);
    leader.unlead();
    follower.ping();
    await settled();
    expect(sign).toHaveBeenCalledTimes(2);
  });

  it("tells every other tab the news", async () => {
    const heard: string[] = [];
    const one = tab({ onNews: (news) => heard.push(`one ${news}`) });
    tab({ onNews: (news) => heard.push(`two ${news}`) });
    one.tell("locked");
    await settled();
    expect(heard).toEqual(["two locked"]);
  });

  it("calls nothing that was not offered", async () => {
    tab().lead({ ward: {} }, {});
    await expect(tab().call("ward", "constructor.constructor", [])).rejects.toMatchObject({ reason: "other" });
    await expect(tab().call("cellar", "add", [])).rejects.toMatchObject({ reason: "other" });
  });
});

describe("Face", () => {
  it("keeps what is watched the same store from nowhere to here and to another place", () => {
    const one = face();
    const shown = one.outside.beds(1);
    expect(one.outside.beds(9)).toBeUndefined();
    const first = new Store<readonly string[]>(["Anna"]);
    one.switch({ here: ward(first) });
    expect(shown?.snapshot).toEqual(["Anna"]);
    const second = new Store<readonly string[]>(["Chiara"]);
    one.switch({ here: ward(second) });
    first.set(["nobody"]);
    expect(shown?.snapshot).toEqual(["Chiara"]);
    expect(one.outside.beds(1)).toBe(shown);
    one.switch(undefined);
    expect(shown?.snapshot).toEqual(["Chiara"]);
  });

  it("waits with calls until there is somebody to call, and drops hints", async () => {
    const one = face();
    one.outside.nod();
    const call = one.outside.add("Ben");
    const here = ward(new Store<readonly string[]>([]));
    one.switch({ here });
    expect(await call).toBe(1);
    expect(here.nods).toBe(0);
    one.outside.nod();
    await Promise.resolve();
    await Promise.resolve();
    expect(here.nods).toBe(1);
  });

  it("gives up after ten seconds with nobody to call", async () => {
    vi.useFakeTimers();
    const call = face().outside.add("Ben");
    const refused = expect(call).rejects.toMatchObject({ reason: "unreachable" });
    await vi.advanceTimersByTimeAsync(10_000);
    await refused;
    vi.useRealTimers();
  });

  it("looks again for what was not there yet", () => {
    const one = face();
    const shown = one.outside.beds(1);
    const there: Store<readonly string[]>[] = [];
    one.switch({ here: { ...ward(new Store<readonly string[]>([])), beds: () => there[0] } });
    there.push(new Store<readonly string[]>(["Elif"]));
    one.lookAgain();
    expect(shown?.snapshot).toEqual(["Elif"]);
  });
});

/** One browser lock, as the standard has it: a thief ends who holds it, and the queue goes on behind it. */
class OneLock {
  #holder: { readonly end: (fault?: Error) => void } | undefined;
  #queue: (() => void)[] = [];

  readonly request = (_: string, options: LockOptions, act: (lock: object | null) => Promise<void>): Promise<void> =>
    new Promise((yes, no) => {
      const hold = (): void => {
        const holder = {
          end: (fault?: Error): void => {
            if (fault === undefined) yes();
            else no(fault);
            if (this.#holder !== holder) return;
            this.#holder = undefined;
            if (fault === undefined) this.#queue.shift()?.();
          },
        };
        this.#holder = holder;
        void act({}).then(() => {
          holder.end();
        });
      };
      if (options.steal === true) this.#holder?.end(new DOMException("", "AbortError"));
      if (this.#holder === undefined) hold();
      else if (options.ifAvailable === true) void act(null).then(yes);
      else {
        this.#queue.push(hold);
        options.signal?.addEventListener("abort", () => {
          this.#queue = this.#queue.filter((one) => one !== hold);
          no(new DOMException("", "AbortError"));
        });
      }
    });
}

describe("Lead", () => {
  beforeEach(() => {
    vi.stubGlobal("navigator", { locks: new OneLock() });
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it("comes back to the tab that it was taken from, when the thief lets go", async () => {
    const first = new Lead("ward");
    const thief = new Lead("ward");
    const [turn, lost] = [vi.fn(), vi.fn()];
    expect(await first.take("wait", turn, lost)).toBe(true);
    for (const times of [1, 2]) {
      expect(await thief.take("steal", vi.fn(), vi.fn())).toBe(true);
      await settled();
      expect([turn.mock.calls.length, lost.mock.calls.length]).toEqual([times - 1, times]);
      thief.release();
      await settled();
      expect(turn).toHaveBeenCalledTimes(times);
    }
  });

  it("goes to the next tab once, and not back to the one that let go", async () => {
    const broken = new Lead("ward");
    const next = new Lead("ward");
    const [brokenTurn, nextTurn] = [vi.fn(), vi.fn()];
    await next.take("wait", nextTurn, vi.fn());
    await broken.take("wait", brokenTurn, vi.fn());
    expect(await broken.take("steal", brokenTurn, vi.fn())).toBe(true);
    await settled();
    broken.release();
    await settled();
    expect([brokenTurn.mock.calls.length, nextTurn.mock.calls.length]).toEqual([0, 1]);
  });
});
