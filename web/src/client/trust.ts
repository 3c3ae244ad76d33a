import { MatrixError, type MatrixClient } from "matrix-js-sdk";

import type { Trust } from "../store/model.ts";

/**
 * Sees to it that somebody's first device makes their signing keys, without asking anything: the password they have
 * just typed answers the server's question. A later device never makes new ones, since that would cut off the first.
 */
export async function establishTrust(client: MatrixClient, password: string | undefined): Promise<Trust> {
  const crypto = client.getCrypto();
  if (crypto === undefined) return "unknown";
  const me = client.getSafeUserId();
  if (!(await crypto.userHasCrossSigningKeys(me, true)) && password !== undefined) {
    await crypto.bootstrapCrossSigning({
      authUploadDeviceSigningKeys: async (ask) => {
        try {
          await ask(null);
        } catch (fault) {
          const session = sessionOf(fault);
          if (session === undefined) throw fault;
          const identifier = { type: "m.id.user", user: me };
          await ask({ type: "m.login.password", identifier, password, session });
        }
      },
    });
  }
  return (await crypto.isCrossSigningReady()) ? "ready" : "unconfirmed";
}

/** The session of a server's demand for more proof; undefined when the fault is something else. */
function sessionOf(fault: unknown): string | undefined {
  if (!(fault instanceof MatrixError) || fault.httpStatus !== 401) return undefined;
  const { session } = fault.data;
  return typeof session === "string" ? session : undefined;
}
