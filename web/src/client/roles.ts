import type { MatrixClient } from "matrix-js-sdk";

import { Store } from "../store/Store.ts";
import type { Person, UserId } from "../store/model.ts";
import { record, string } from "./events.ts";

/** The field of a profile that says what somebody is in the hospital. Only administrators can write it. */
const roleField = "org.myelin.role";

/** What people are in the hospital, asked for once when somebody is first named with it. */
export class Roles {
  readonly store = new Store<ReadonlyMap<UserId, string>>(new Map());
  readonly #client: MatrixClient;
  readonly #asked = new Set<UserId>();

  constructor(client: MatrixClient) {
    this.#client = client;
  }

  /** The person with what they are, as far as that is known by now. */
  withRole(person: Person): Person {
    if (!this.#asked.has(person.id)) void this.#ask(person.id);
    const role = this.store.snapshot.get(person.id);
    return role === undefined ? person : { ...person, role };
  }

  async #ask(id: UserId): Promise<void> {
    this.#asked.add(id);
    try {
      const role = string(record(await this.#client.getProfileInfo(id))[roleField]) ?? "";
      if (role !== "") this.store.update((roles) => new Map(roles).set(id, role));
    } catch {
      this.#asked.delete(id); // asked again when they are next named
    }
  }
}
