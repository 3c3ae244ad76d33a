import type { MatrixClient } from "matrix-js-sdk";

import { Store } from "../store/Store.ts";
import type { Person, UserId } from "../store/model.ts";
import { record, string } from "./json.ts";
import { toRefusal } from "./refusal.ts";

/** The field of a profile that says what somebody is in the hospital. Only administrators can write it. */
const roleField = "org.myelin.role";

/** So many people are asked about at a time: a large conversation names hundreds at once. */
const atOnce = 4;
/** How long nobody is asked about when the server was away: at first, and at most. */
const firstPause = 5_000;
const longestPause = 300_000;

/** What people are in the hospital, asked for once when somebody is first named with it. */
export class HospitalRoles {
  readonly store = new Store<ReadonlyMap<UserId, string>>(new Map());
  readonly #client: MatrixClient;
  /** Everybody who was named, whatever the answer. */
  readonly #named = new Set<UserId>();
  readonly #queue: UserId[] = [];
  #asking = 0;
  #pause = firstPause;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: MatrixClient) {
    this.#client = client;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#queue.length = 0;
  }

  /** The person with what they are, as far as that is known by now. */
  withRole(person: Person): Person {
    if (!this.#named.has(person.id)) {
      this.#named.add(person.id);
      this.#queue.push(person.id);
      this.#next();
    }
    const role = this.store.snapshot.get(person.id);
    return role === undefined ? person : { ...person, role };
  }

  #next(): void {
    while (this.#timer === undefined && this.#asking < atOnce) {
      const id = this.#queue.shift();
      if (id === undefined) return;
      void this.#ask(id);
    }
  }

  async #ask(id: UserId): Promise<void> {
    this.#asking++;
    try {
      const role = string(record(await this.#client.getProfileInfo(id))[roleField]) ?? "";
      this.#pause = firstPause;
      if (role !== "") this.store.update((roles) => new Map(roles).set(id, role));
    } catch (fault) {
      const { reason, wait } = toRefusal(fault);
      // Whoever has no profile, or none for this person, has no role either.
      if (reason === "unreachable" || reason === "limited") this.#later(id, wait);
    }
    this.#asking--;
    this.#next();
  }

  /** The server is away or busy: nobody is asked about for a while, longer each time. */
  #later(id: UserId, wait = 0): void {
    this.#queue.push(id);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#next();
    }, Math.max(this.#pause, wait));
    this.#pause = Math.min(2 * this.#pause, longestPause);
  }
}
