import { type IPushRules, PushRuleKind } from "matrix-js-sdk";
import { expect, it } from "vitest";

import { notifyOf } from "./notify.ts";

const rule = (rule_id: string, actions: unknown[] = [], enabled = true) => ({ rule_id, actions, enabled, default: false });
const rules = (kind: PushRuleKind, ...of: object[]): IPushRules => ({ global: { [kind]: of } }) as IPushRules;

it("reads from the push rules what of a room is announced", () => {
  expect(notifyOf(undefined, "!a")).toBe("all");
  expect(notifyOf(rules(PushRuleKind.Override, rule("!a")), "!a")).toBe("none");
  expect(notifyOf(rules(PushRuleKind.Override, rule("!b"), rule("!a", ["notify"]), rule("!a", [], false)), "!a")).toBe("all");
  expect(notifyOf(rules(PushRuleKind.RoomSpecific, rule("!a", ["dont_notify"])), "!a")).toBe("mentions");
});
