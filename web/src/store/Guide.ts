import type { Memory } from "./Preferences.ts";
import type { Recovery, Verification } from "./Safety.ts";
import { Store, type Readable } from "./Store.ts";
import type { Session, Trust } from "./model.ts";

/** Which step of keeping messages safe is on the screen. */
export type GuideStep = "none" | "recovery" | "confirm" | "afresh" | "confirmed";

interface GuideSources {
  readonly session: Readable<Session>;
  readonly trust: Readable<Trust>;
  readonly recovery: Readable<Recovery>;
  readonly verification: Readable<Verification | undefined>;
}

/** Whoever puts it off is asked again after this time. */
const patience = 20 * 60 * 60_000;
const name = "myelin.safetyLater";

/**
 * Leads people to what keeps their messages theirs: a new device is confirmed, and there is a recovery key. It comes by
 * itself, can be put off, and comes again.
 */
export class Guide implements Readable<GuideStep> {
  readonly #sources: GuideSources;
  readonly #memory: Memory;
  readonly #now: () => number;
  readonly #step = new Store<GuideStep>("none");

  constructor(sources: GuideSources, memory: Memory, now: () => number) {
    this.#sources = sources;
    this.#memory = memory;
    this.#now = now;
    for (const source of [sources.session, sources.trust, sources.recovery, sources.verification]) source.subscribe(this.#look);
  }

  get snapshot(): GuideStep {
    return this.#step.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#step.subscribe(listener);

  /** What is still to be done, whether it is on the screen or put off. */
  get missing(): "recovery" | "confirm" | undefined {
    const { session, trust, recovery } = this.#sources;
    if (session.snapshot.phase !== "open") return undefined;
    if (trust.snapshot === "unconfirmed") return "confirm";
    return trust.snapshot === "ready" && recovery.snapshot === "missing" ? "recovery" : undefined;
  }

  open(step: GuideStep): void {
    this.#step.set(step);
  }

  /** Puts it off. */
  later(): void {
    if (this.missing !== undefined) this.#memory.setItem(name, String(this.#now()));
    this.#step.set("none");
  }

  /** A step is over; the next one comes when there is one. */
  done(): void {
    this.#step.set("none");
    this.#look();
  }

  readonly #look = (): void => {
    const { session, trust, verification } = this.#sources;
    const step = this.snapshot;
    if (session.snapshot.phase !== "open") {
      if (session.snapshot.phase === "signingIn") this.#memory.setItem(name, "0"); // another device, another question
      this.#step.set("none");
      return;
    }
    if (verification.snapshot !== undefined) return; // one thing at a time
    if (step === "confirm" && trust.snapshot === "ready") {
      this.#step.set("confirmed"); // another device has just done it
      return;
    }
    const put = this.#memory.getItem(name);
    const { missing } = this;
    if (step === "none" && missing !== undefined && (put === null || this.#now() - Number(put) >= patience)) this.#step.set(missing);
  };
}
