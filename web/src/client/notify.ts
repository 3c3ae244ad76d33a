import { ConditionKind, PushRuleKind, type IPushRule, type IPushRules, type MatrixClient } from "matrix-js-sdk";

import type { Notify, RoomId } from "../store/model.ts";

// A room that is announced only for mentions has a room rule without actions; the rules for mentions come before it.
// A silent room has an override rule without actions, which comes before everything; Matrix, "Push Rules".

/** What of a room is announced, by the person's push rules. */
export function notifyOf(rules: IPushRules | undefined, room: RoomId): Notify {
  const { override = [], room: rooms = [] } = rules?.global ?? {};
  if (override.some((rule) => rule.rule_id === room && rule.enabled && isSilent(rule))) return "none";
  return rooms.some((rule) => rule.rule_id === room && rule.enabled && isSilent(rule)) ? "mentions" : "all";
}

export async function setNotify(client: MatrixClient, room: RoomId, notify: Notify): Promise<void> {
  const { override = [], room: rooms = [] } = client.pushRules?.global ?? {};
  const has = (rules: readonly IPushRule[]): boolean => rules.some((rule) => rule.rule_id === room);
  // The new rule first: in between nothing is announced that was not to be.
  if (notify === "none") {
    await client.addPushRule("global", PushRuleKind.Override, room, {
      conditions: [{ kind: ConditionKind.EventMatch, key: "room_id", pattern: room }],
      actions: [],
    });
  }
  if (notify === "mentions") await client.addPushRule("global", PushRuleKind.RoomSpecific, room, { actions: [] });
  if (notify !== "none" && has(override)) await client.deletePushRule("global", PushRuleKind.Override, room);
  if (notify !== "mentions" && has(rooms)) await client.deletePushRule("global", PushRuleKind.RoomSpecific, room);
}

/** "dont_notify" is how older clients write that nothing is done. */
function isSilent(rule: IPushRule): boolean {
  return rule.actions.every((action) => (action as unknown) === "dont_notify");
}
