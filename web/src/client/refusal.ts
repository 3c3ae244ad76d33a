import { ConnectionError, HTTPError, MatrixError } from "matrix-js-sdk";

import { Refusal } from "../store/Homeserver.ts";

/** Puts the SDK's errors into the app's few kinds. */
export function toRefusal(fault: unknown): Refusal {
  if (fault instanceof Refusal) return fault;
  const message = fault instanceof Error ? fault.message : String(fault);
  if (fault instanceof ConnectionError || (fault instanceof TypeError && /fetch/i.test(message))) {
    return new Refusal("unreachable", message);
  }
  if (!(fault instanceof HTTPError)) return new Refusal("other", message);
  const code = fault instanceof MatrixError ? fault.errcode : undefined;
  if (code === "M_LIMIT_EXCEEDED" || fault.httpStatus === 429) return new Refusal("limited", message, pause(fault));
  if (code === "M_TOO_LARGE" || fault.httpStatus === 413) return new Refusal("tooLarge", message);
  if (code === "M_NOT_FOUND" || fault.httpStatus === 404) return new Refusal("gone", message);
  // A token that ended is not the message's fault: it waits until the person has signed in again.
  if (code === "M_UNKNOWN_TOKEN") return new Refusal("unreachable", message);
  if (fault.httpStatus === 403) return new Refusal("forbidden", message);
  if (fault.httpStatus !== undefined && fault.httpStatus >= 500) return new Refusal("unreachable", message);
  return new Refusal("other", message);
}

/** Does something and speaks of its failure in the app's words. */
export async function refusing<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (fault) {
    throw toRefusal(fault);
  }
}

function pause(fault: HTTPError): number | undefined {
  try {
    return fault.getRetryAfterMs() ?? undefined;
  } catch {
    return undefined; // a server that cannot write its own header
  }
}
