import { ClientEvent, type MatrixClient } from "matrix-js-sdk";

import { Store } from "../store/Store.ts";
import type { SavedReply } from "../store/conversation.ts";
import { list, record, string } from "./json.ts";

const accountDataType = "org.myelin.saved_replies";

/** The saved replies of a person, in their account data: the same on every device. */
export class SavedReplies {
  readonly store = new Store<readonly SavedReply[]>([]);
  readonly #client: MatrixClient;

  constructor(client: MatrixClient) {
    this.#client = client;
    client.on(ClientEvent.AccountData, (event) => {
      if (event.getType() === accountDataType) this.store.set(read(event.getContent()));
    });
  }

  async save(replies: readonly SavedReply[]): Promise<void> {
    await this.#client.setAccountData(accountDataType as never, { replies } as never);
    this.store.set(replies);
  }
}

function read(content: Readonly<Record<string, unknown>>): SavedReply[] {
  return list(content["replies"]).flatMap((one) => {
    const [id, name, text] = ["id", "name", "text"].map((field) => string(record(one)[field]));
    return id === undefined || name === undefined || text === undefined ? [] : [{ id, name, text }];
  });
}
