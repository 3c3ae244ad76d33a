import { Refusal, type RefusalReason } from "../store/Homeserver.ts";
import type { Readable } from "../store/Store.ts";

/**
 * The tabs of one browser. One of them leads: it alone holds the session, since two would corrupt each other's crypto
 * store. The others show what it tells and ask it to act. Another takes over when it closes or does not answer.
 */

/** Who was asked leads no longer. Another tab does: it can be asked the same. */
export class LeaderGone extends Refusal {
  constructor() {
    super("unreachable", "the leading tab is gone");
    this.name = "LeaderGone";
  }
}

/** What tabs tell each other. `tab` is who says it. */
type Message =
  | { readonly kind: "hello"; readonly tab: string }
  | { readonly kind: "bye"; readonly tab: string }
  | { readonly kind: "ping"; readonly tab: string }
  | { readonly kind: "pong"; readonly tab: string }
  | { readonly kind: "leading"; readonly tab: string }
  | { readonly kind: "state"; readonly tab: string; readonly name: string; readonly value: unknown }
  | { readonly kind: "call"; readonly tab: string; readonly id: string; readonly target: string; readonly method: string; readonly args: readonly unknown[] }
  | { readonly kind: "answer"; readonly tab: string; readonly id: string; readonly value?: unknown; readonly refusal?: Told }
  | { readonly kind: "watch"; readonly tab: string; readonly id: string; readonly target: string; readonly method: string; readonly args: readonly unknown[] }
  | { readonly kind: "value"; readonly tab: string; readonly id: string; readonly value: unknown }
  | { readonly kind: "news"; readonly tab: string; readonly news: News };

/** What every tab has to know at once. */
export type News = "signedIn" | "locked" | "unlocked" | "signedOut" | "active" | "drafts";

interface Told {
  readonly reason: RefusalReason;
  readonly message: string;
  readonly wait: number | undefined;
}

/** Things that other tabs may call, by name. */
export type Targets = Readonly<Record<string, object>>;

export interface Channel {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
  close(): void;
}

export interface TabsEvents {
  onState(name: string, value: unknown): void;
  onNews(news: News): void;
  /** The leading tab is there: it has said something. */
  onSign(): void;
  /** A new tab leads: what was asked of the old one is asked again. */
  onLeader(): void;
}

export class Tabs {
  readonly #channel: Channel;
  readonly #events: TabsEvents;
  readonly #tab = crypto.randomUUID();
  readonly #calls = new Map<string, { readonly yes: (value: unknown) => void; readonly no: (fault: Refusal) => void }>();
  readonly #watches = new Map<string, (value: unknown) => void>();
  #claimed = false;
  /** Tabs that follow this one, and what they look at. */
  readonly #followers = new Map<string, Map<string, () => void>>();
  #served: { readonly targets: Targets; readonly states: Readonly<Record<string, Readable<unknown>>>; readonly stop: () => void } | undefined;

  constructor(channel: Channel, events: TabsEvents) {
    this.#channel = channel;
    this.#events = events;
    channel.onmessage = (event) => {
      this.#hear(event.data as Message);
    };
  }

  // The leader's side.

  /** This tab is about to lead, which may take it a while: nobody need relieve it. */
  claim(): void {
    this.#claimed = true;
  }

  /** From now on this tab leads: its states are told, its targets can be called. */
  lead(targets: Targets, states: Readonly<Record<string, Readable<unknown>>>): void {
    this.unlead();
    this.claim();
    this.#forgetLeader();
    const due = new Set<string>();
    const ends = Object.entries(states).map(([name, state]) =>
      state.subscribe(() => {
        if (this.#followers.size === 0 || due.has(name)) return;
        due.add(name);
        setTimeout(() => {
          due.delete(name);
          if (this.#served !== undefined) this.#say({ kind: "state", tab: this.#tab, name, value: state.snapshot });
        }, 50);
      }),
    );
    const stop = (): void => {
      for (const end of ends) end();
    };
    this.#served = { targets, states, stop };
    this.#say({ kind: "leading", tab: this.#tab });
  }

  unlead(): void {
    this.#claimed = false;
    this.#served?.stop();
    this.#served = undefined;
    for (const tab of [...this.#followers.keys()]) this.#drop(tab);
  }

  // A follower's side.

  /** Asks the leader for everything. */
  hello(): void {
    this.#say({ kind: "hello", tab: this.#tab });
  }

  /** Asks the leader for a sign that it is there. */
  ping(): void {
    this.#say({ kind: "ping", tab: this.#tab });
  }

  call(target: string, method: string, args: readonly unknown[]): Promise<unknown> {
    const id = crypto.randomUUID();
    return new Promise((yes, no) => {
      this.#calls.set(id, { yes, no });
      this.#say({ kind: "call", tab: this.#tab, id, target, method, args });
    });
  }

  /** Hears the values of what a method of a target answers with; the answer ends that. */
  watch(target: string, method: string, args: readonly unknown[], hear: (value: unknown) => void): () => void {
    const id = crypto.randomUUID();
    this.#watches.set(id, hear);
    this.#say({ kind: "watch", tab: this.#tab, id, target, method, args });
    return () => {
      this.#watches.delete(id);
    };
  }

  // Everybody's.

  tell(news: News): void {
    this.#say({ kind: "news", tab: this.#tab, news });
  }

  /** The page goes. */
  leave(): void {
    this.#say({ kind: "bye", tab: this.#tab });
  }

  #say(message: Message): void {
    this.#channel.postMessage(message);
  }

  #hear(message: Message): void {
    switch (message.kind) {
      case "news":
        this.#events.onNews(message.news);
        return;
      case "leading":
        this.#forgetLeader();
        this.#events.onLeader();
        return;
      case "ping":
        this.#answerPing();
        return;
      case "pong":
        this.#events.onSign();
        return;
      case "state":
        this.#events.onSign();
        if (this.#served === undefined) this.#events.onState(message.name, message.value);
        return;
      case "answer": {
        this.#events.onSign();
        const call = this.#calls.get(message.id);
        this.#calls.delete(message.id);
        const { refusal } = message;
        if (refusal === undefined) call?.yes(message.value);
        else call?.no(new Refusal(refusal.reason, refusal.message, refusal.wait));
        return;
      }
      case "value":
        this.#watches.get(message.id)?.(message.value);
        return;
      case "bye":
        this.#drop(message.tab);
        return;
      case "hello":
      case "call":
      case "watch":
        this.#serve(message);
    }
  }

  #answerPing(): void {
    if (this.#claimed) this.#say({ kind: "pong", tab: this.#tab });
  }

  #serve(message: Extract<Message, { kind: "hello" | "call" | "watch" }>): void {
    if (message.kind === "hello") this.#answerPing();
    if (this.#served === undefined) return;
    const { targets, states } = this.#served;
    if (!this.#followers.has(message.tab)) this.#followers.set(message.tab, new Map());
    if (message.kind === "hello") {
      for (const [name, state] of Object.entries(states)) this.#say({ kind: "state", tab: this.#tab, name, value: state.snapshot });
      return;
    }
    const { id, target, method, args } = message;
    const ask = (): unknown => {
      const on = targets[target];
      const act: unknown = on === undefined ? undefined : Reflect.get(on, method);
      if (typeof act !== "function") throw new Refusal("other", `nothing to call: ${target}.${method}`);
      return Reflect.apply(act, on, args);
    };
    if (message.kind === "watch") this.#serveWatch(message.tab, id, ask);
    else void this.#serveCall(id, ask);
  }

  async #serveCall(id: string, ask: () => unknown): Promise<void> {
    try {
      const value = await ask();
      this.#say({ kind: "answer", tab: this.#tab, id, value });
    } catch (fault) {
      const { reason, message, wait } = fault instanceof Refusal ? fault : new Refusal("other", String(fault));
      this.#say({ kind: "answer", tab: this.#tab, id, refusal: { reason, message, wait } });
    }
  }

  #serveWatch(tab: string, id: string, ask: () => unknown): void {
    const watched = ask() as Readable<unknown> | undefined;
    if (watched === undefined) return;
    let due = false;
    const tell = (): void => {
      if (due) return;
      due = true;
      setTimeout(() => {
        due = false;
        if (this.#followers.get(tab)?.has(id) === true) this.#say({ kind: "value", tab: this.#tab, id, value: watched.snapshot });
      });
    };
    this.#followers.get(tab)?.set(id, watched.subscribe(tell));
    tell();
  }

  #forgetLeader(): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    this.#watches.clear();
    for (const { no } of calls) no(new LeaderGone());
  }

  #drop(tab: string): void {
    for (const end of this.#followers.get(tab)?.values() ?? []) end();
    this.#followers.delete(tab);
  }
}

/** The right to lead, held by one tab of the browser at a time. */
export class Lead {
  readonly #name: string;
  #release: (() => void) | undefined;
  #queue: AbortController | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /**
   * True when this tab leads now. Otherwise `onLead` is called when its turn comes. `onLost`: another tab took it away; this
   * one waits for its turn again.
   */
  async take(how: "wait" | "steal", onLead: () => void, onLost: () => void): Promise<boolean> {
    const lost = (): void => {
      onLost();
      this.#wait(onLead, lost);
    };
    if (await this.#request(how === "steal" ? { steal: true } : { ifAvailable: true }, undefined, lost)) return true;
    this.#wait(onLead, lost);
    return false;
  }

  /** Lets another tab lead, and waits for it no longer. */
  release(): void {
    this.#queue?.abort();
    this.#queue = undefined;
    this.#release?.();
    this.#release = undefined;
  }

  /** Takes one place in the queue. */
  #wait(onLead: () => void, onLost: () => void): void {
    if (this.#queue !== undefined) return;
    const queue = (this.#queue = new AbortController());
    const turn = (): void => {
      this.#queue = undefined;
      onLead();
    };
    void this.#request({ signal: queue.signal }, turn, onLost);
  }

  #request(options: LockOptions, onLead: (() => void) | undefined, onLost: () => void): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let held = false;
      const ended = navigator.locks.request(this.#name, options, async (lock) => {
        if (lock === null) {
          resolve(false);
          return;
        }
        held = true;
        const released = new Promise<void>((release) => {
          this.#release = release;
        });
        onLead?.();
        resolve(true);
        await released;
      });
      ended.catch((fault: unknown) => {
        if (!(fault instanceof DOMException && fault.name === "AbortError")) reject(fault instanceof Error ? fault : new Error(String(fault)));
        else if (held) onLost();
        else resolve(false);
      });
    });
  }
}
