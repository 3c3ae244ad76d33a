import { RoomEvent, type MatrixClient, type MatrixEvent } from "matrix-js-sdk";
import { CryptoEvent, VerificationPhase, VerificationRequestEvent, VerifierEvent, type ShowSasCallbacks, type VerificationRequest, type Verifier } from "matrix-js-sdk/lib/crypto-api";

import type { Verification } from "../store/Safety.ts";
import type { Store } from "../store/Store.ts";
import { localPart } from "./wire.ts";

export const method = "m.sas.v1";

/**
 * One comparison of drawings at a time (SAS of the Matrix specification), whoever began it. Whoever asked starts when
 * the other side is ready; a second request while one is under way is left unanswered.
 */
export class Comparing {
  readonly #client: MatrixClient;
  readonly #shown: Store<Verification | undefined>;
  #request: VerificationRequest | undefined;
  #verifier: Verifier | undefined;
  #sas: ShowSasCallbacks | undefined;
  #agreed = false;
  #different = false;
  #starting = false;

  constructor(client: MatrixClient, shown: Store<Verification | undefined>) {
    this.#client = client;
    this.#shown = shown;
    client.on(CryptoEvent.VerificationRequestReceived, (request) => {
      if (this.#request?.pending === true || this.#isHistory(request)) return;
      this.follow(request);
    });
    client.on(RoomEvent.Timeline, (event) => {
      const about = event.getRelation()?.event_id;
      if (about !== undefined && about === this.#request?.transactionId) this.#changed();
    });
  }

  follow(request: VerificationRequest): void {
    this.#request = request;
    this.#verifier = this.#sas = undefined;
    this.#agreed = this.#different = this.#starting = false;
    request.on(VerificationRequestEvent.Change, () => {
      if (request === this.#request) this.#changed();
    });
    this.#changed();
  }

  async accept(): Promise<void> {
    await this.#request?.accept();
  }

  async compared(same: boolean): Promise<void> {
    if (this.#sas === undefined) return;
    if (same) {
      this.#agreed = true;
      this.#show();
      await this.#sas.confirm();
    } else {
      this.#different = true;
      this.#sas.mismatch();
    }
  }

  /** Stops what is under way; puts away what is over. */
  async end(): Promise<void> {
    const request = this.#request;
    this.#request = undefined;
    this.#shown.set(undefined);
    if (request?.pending === true) await request.cancel();
  }

  /** A request from a room's history, which has been answered there. One that is over would stand in the next one's way. */
  #isHistory(request: VerificationRequest): boolean {
    const types = this.#said(request).map((event) => event.getType());
    const over = types.includes("m.key.verification.cancel") || types.filter((type) => type === "m.key.verification.done").length > 1; // both sides say so
    if (over) request.cancel().catch(() => undefined); // it runs out by itself
    return over || this.#isElsewhere(request);
  }

  /** Another device of one's own has answered. */
  #isElsewhere(request: VerificationRequest): boolean {
    if (request.cancellationCode === "m.accepted") return true;
    return this.#said(request).some((event) => {
      const own = event.getSender() === this.#client.getUserId() && event.getContent()["from_device"] === this.#client.getDeviceId();
      return event.getType() === "m.key.verification.ready" && event.getSender() !== request.otherUserId && !own;
    });
  }

  /** What has been said about a request in its room. */
  #said(request: VerificationRequest): readonly MatrixEvent[] {
    const room = request.roomId === undefined ? null : this.#client.getRoom(request.roomId);
    return (room?.getLiveTimeline().getEvents() ?? []).filter((event) => event.getRelation()?.event_id === request.transactionId);
  }

  #changed(): void {
    const request = this.#request;
    if (request === undefined) return;
    if (!request.initiatedByMe && this.#isElsewhere(request)) {
      this.#request = undefined;
      this.#shown.set(undefined);
      return;
    }
    if (request.phase === VerificationPhase.Ready && request.initiatedByMe && !this.#starting) {
      this.#starting = true;
      request.startVerification(method).then(
        () => {
          this.#changed();
        },
        () => {
          this.#show(); // the other side was faster, or it has ended: the phase says which
        },
      );
    }
    if (request.verifier !== undefined && request.verifier !== this.#verifier) this.#begin(request.verifier);
    this.#show();
  }

  #begin(verifier: Verifier): void {
    this.#verifier = verifier;
    const shows = (sas: ShowSasCallbacks): void => {
      this.#sas = sas;
      this.#show();
    };
    verifier.on(VerifierEvent.ShowSas, shows);
    const there = verifier.getShowSasCallbacks();
    if (there !== null) shows(there);
    const over = (): void => {
      this.#show();
    };
    verifier.verify().then(over, over); // how it ended is the request's phase
  }

  #show(): void {
    const request = this.#request;
    if (request === undefined) return;
    const id = request.otherUserId;
    const name = this.#client.getUser(id)?.displayName;
    this.#shown.set({
      person: { id, name: name === undefined || name === "" || name === id ? localPart(id) : name },
      own: request.isSelfVerification,
      step: this.#step(request),
      emoji: this.#sas?.sas.emoji?.map(([symbol]) => symbol) ?? [],
      ended: request.phase === VerificationPhase.Cancelled ? this.#reason(request) : undefined,
    });
  }

  #step(request: VerificationRequest): Verification["step"] {
    if (request.phase === VerificationPhase.Done) return "done";
    if (request.phase === VerificationPhase.Cancelled) return "ended";
    if (this.#agreed) return "agreed";
    if (this.#sas !== undefined) return "compare";
    return request.phase === VerificationPhase.Requested && !request.initiatedByMe && !request.accepting ? "asked" : "waiting";
  }

  #reason(request: VerificationRequest): NonNullable<Verification["ended"]> {
    if (this.#different || request.cancellationCode === "m.mismatched_sas" || request.cancellationCode === "m.key_mismatch") return "different";
    return request.cancellationCode === "m.timeout" ? "late" : "stopped";
  }
}
