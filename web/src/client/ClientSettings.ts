import { MatrixError, PushRuleKind, RuleId, type AuthDict, type IPushRules, type MatrixClient } from "matrix-js-sdk";

import type { OwnDevice, Settings } from "../store/Settings.ts";
import type { MediaSource, Notify } from "../store/model.ts";
import { refusing } from "./refusal.ts";
import { pictureAt } from "./summary.ts";

/** The rules that announce every message of a group; those for mentions and for two people come before them. */
const groupRules: readonly string[] = [RuleId.Message, RuleId.EncryptedMessage];

/** One's own profile, devices and push rules, over Matrix's SDK. */
export class ClientSettings implements Settings {
  readonly #client: MatrixClient;
  readonly #upload: (picture: Blob) => Promise<string>;
  readonly #onName: (name: string) => void;

  /** `upload` puts a picture on the server as it is. */
  constructor(client: MatrixClient, upload: (picture: Blob) => Promise<string>, onName: (name: string) => void) {
    this.#client = client;
    this.#upload = upload;
    this.#onName = onName;
  }

  setName(name: string): Promise<void> {
    return refusing(async () => {
      await this.#client.setDisplayName(name);
      this.#onName(name);
    });
  }

  picture(): Promise<MediaSource | undefined> {
    return refusing(async () => {
      const { avatar_url } = await this.#client.getProfileInfo(this.#client.getSafeUserId());
      return pictureAt(avatar_url);
    });
  }

  setPicture(picture: Blob | undefined): Promise<MediaSource | undefined> {
    return refusing(async () => {
      const url = picture === undefined ? "" : await this.#upload(picture);
      await this.#client.setAvatarUrl(url);
      return pictureAt(url);
    });
  }

  devices(): Promise<readonly OwnDevice[]> {
    return refusing(async () => {
      const { devices } = await this.#client.getDevices();
      return devices.map(({ device_id: id, display_name, last_seen_ts }) => ({
        id,
        name: display_name ?? "",
        seen: last_seen_ts,
        here: id === this.#client.getDeviceId(),
      }));
    });
  }

  renameDevice(device: string, name: string): Promise<void> {
    return refusing(async () => {
      await this.#client.setDeviceDetails(device, { display_name: name });
    });
  }

  endDevice(device: string, password: string): Promise<boolean> {
    return refusing(() => withPassword(this.#client, password, (auth) => this.#client.deleteDevice(device, auth)));
  }

  notify(): Promise<Notify> {
    return refusing(async () => levelOf(await this.#client.getPushRules()));
  }

  setNotify(notify: Notify): Promise<void> {
    return refusing(async () => {
      const set = (kind: PushRuleKind, rule: string, enabled: boolean): Promise<object> => this.#client.setPushRuleEnabled("global", kind, rule, enabled);
      for (const rule of groupRules) await set(PushRuleKind.Underride, rule, notify !== "mentions");
      await set(PushRuleKind.Override, RuleId.Master, notify === "none");
    });
  }
}

/** The master rule silences everything; Matrix, "Push Rules", "Default Override Rules". */
export function levelOf({ global }: IPushRules): Notify {
  if (global.override?.some((rule) => (rule.rule_id as string) === RuleId.Master && rule.enabled) === true) return "none";
  const groups = global.underride?.filter((rule) => groupRules.includes(rule.rule_id)) ?? [];
  return groups.length > 0 && groups.every((rule) => !rule.enabled) ? "mentions" : "all";
}

/**
 * Does what the server wants a password for; Matrix, "User-Interactive Authentication". The first try asks for the
 * session that the second one answers. False when the password was not right.
 */
async function withPassword(client: MatrixClient, password: string, act: (auth?: AuthDict) => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (fault) {
    if (!isDemand(fault)) throw fault;
    const identifier = { type: "m.id.user", user: client.getSafeUserId() };
    try {
      await act({ type: "m.login.password", identifier, password, session: fault.data["session"] as string });
      return true;
    } catch (answer) {
      if (isDemand(answer) || (answer instanceof MatrixError && answer.errcode === "M_FORBIDDEN")) return false;
      throw answer;
    }
  }
}

function isDemand(fault: unknown): fault is MatrixError {
  return fault instanceof MatrixError && fault.httpStatus === 401 && typeof fault.data["session"] === "string";
}
