import type { SignInFault } from "../store/model.ts";

// The few calls that are made before there is a signed-in client.

export interface Credentials {
  readonly user: string;
  readonly device: string;
  readonly token: string;
}

export class SignInRefused extends Error {
  readonly fault: SignInFault;

  constructor(fault: SignInFault) {
    super(`sign-in refused: ${fault}`);
    this.name = "SignInRefused";
    this.fault = fault;
  }
}

/** Signs in with a password. `device` takes up an earlier device of this browser again. */
export async function signIn(user: string, password: string, device: string | undefined): Promise<Credentials> {
  const body = {
    type: "m.login.password",
    identifier: { type: "m.id.user", user },
    password,
    device_id: device,
    initial_device_display_name: deviceName(navigator.userAgent),
  };
  let response: Response;
  try {
    response = await fetch("/_matrix/client/v3/login", { method: "POST", body: JSON.stringify(body) });
  } catch {
    throw new SignInRefused("unreachable");
  }
  const reply = await json(response);
  if (!response.ok) throw new SignInRefused(faultOf(response.status, reply["errcode"]));
  const { user_id, device_id, access_token } = reply;
  if (typeof user_id !== "string" || typeof device_id !== "string" || typeof access_token !== "string") {
    throw new SignInRefused("other");
  }
  return { user: user_id, device: device_id, token: access_token };
}

/** The body of an answer; empty when it is something else than JSON. */
export async function json(response: Response): Promise<Record<string, unknown>> {
  try {
    const value: unknown = await response.json();
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function faultOf(status: number, code: unknown): SignInFault {
  if (code === "M_USER_DEACTIVATED") return "deactivated";
  if (status === 403) return "wrongPassword";
  if (status === 429) return "tooManyTries";
  if (status >= 500) return "unreachable";
  return "other";
}

/** "anna" of "@anna:example.org". */
export function localPart(id: string): string {
  return id.replace(/^@/, "").split(":")[0] ?? id;
}

/** What somebody sees in their list of devices. */
export function deviceName(agent: string): string {
  const browser = /Firefox/.test(agent) ? "Firefox" : /Edg/.test(agent) ? "Edge" : /Chrome/.test(agent) ? "Chrome" : /Safari/.test(agent) ? "Safari" : "web";
  const system = /Android/.test(agent) ? "Android" : /iPhone|iPad/.test(agent) ? "iOS" : /Windows/.test(agent) ? "Windows" : /Mac/.test(agent) ? "macOS" : "Linux";
  return `Myelin, ${browser} on ${system}`;
}
