import type { IPushRules } from "matrix-js-sdk";
import { expect, it } from "vitest";

import { levelOf } from "./ClientSettings.ts";

it("reads from the push rules what is announced at all", () => {
  const rules = (master: boolean, groups: boolean): IPushRules =>
    ({
      global: {
        override: [{ rule_id: ".m.rule.master", enabled: master, actions: [], default: true }],
        underride: [".m.rule.message", ".m.rule.encrypted"].map((rule_id) => ({ rule_id, enabled: groups, actions: ["notify"], default: true })),
      },
    }) as unknown as IPushRules;
  expect([levelOf(rules(true, true)), levelOf(rules(false, false)), levelOf(rules(false, true))]).toEqual(["none", "mentions", "all"]);
  expect(levelOf({ global: {} } as IPushRules)).toBe("all");
});
