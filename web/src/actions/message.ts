import { pathOf } from "../store/Route.ts";
import type { Powers } from "../store/conversation.ts";
import type { MessageItem, RoomId, UserId } from "../store/model.ts";
import type { Action } from "./Action.ts";

/** What must be answered before something is done with a message, or is shown about it. */
export type Question =
  | { readonly kind: "remove" | "forward" | "details" | "report" | "select" | "sign"; readonly item: MessageItem }
  | { readonly kind: "poll" | "place" | "expiry" | "stay" | "schedule" | "scheduled" | "replies" };

/** A message, where it stands, and who looks at it. */
export interface MessageTarget {
  readonly room: RoomId;
  readonly thread: string | undefined;
  readonly item: MessageItem;
  readonly me: UserId | undefined;
  readonly powers: Powers;
  readonly pinned: boolean;
  readonly desk: { reply(item: MessageItem): void; edit(item: MessageItem): void; ask(question: Question): void };
}

type MessageAction = Action<MessageTarget>;

/** There is something in it: it was not deleted, and it can be read. */
function there({ item }: MessageTarget): boolean {
  return item.body.kind !== "removed" && item.body.kind !== "waiting";
}

const asking = (kind: "remove" | "forward" | "details" | "report" | "select" | "sign"): MessageAction["run"] => {
  return (_app, { desk, item }) => {
    desk.ask({ kind, item });
  };
};

export const reply: MessageAction = {
  id: "message.reply",
  label: "action.reply",
  icon: "reply",
  shortcuts: [{ key: "r" }],
  when: (_app, target) => there(target),
  run: (_app, { desk, item }) => {
    desk.reply(item);
  },
};

export const answerInThread: MessageAction = {
  id: "message.thread",
  label: "action.thread",
  icon: "thread",
  shortcuts: [{ key: "t" }],
  when: (_app, target) => there(target) && target.thread === undefined,
  run: (app, { room, item }) => {
    app.route.go({ at: "room", room, thread: item.id });
  },
};

export const react: MessageAction = { id: "message.react", label: "action.react", icon: "emoji", shortcuts: [{ key: "+" }], when: (_app, target) => there(target), run: asking("sign") };

export const edit: MessageAction = {
  id: "message.edit",
  label: "action.edit",
  icon: "edit",
  shortcuts: [{ key: "e" }],
  when: (_app, { item }) => item.own && item.body.kind === "text",
  run: (_app, { desk, item }) => {
    desk.edit(item);
  },
};

export const copyText: MessageAction = {
  id: "message.copy",
  label: "action.copyText",
  icon: "copy",
  shortcuts: [{ key: "c" }],
  when: (_app, { item }) => item.body.kind === "text",
  run: async (app, { item }) => {
    if (item.body.kind !== "text") return;
    await navigator.clipboard.writeText(item.body.text);
    app.notices.tell("copied");
  },
};

export const selectText: MessageAction = { id: "message.select", label: "action.selectText", icon: "selectText", when: (_app, { item }) => item.body.kind === "text", run: asking("select") };

export const copyLink: MessageAction = {
  id: "message.link",
  label: "action.copyLink",
  icon: "link",
  run: async (app, { room, item }) => {
    await navigator.clipboard.writeText(`${location.origin}${pathOf({ at: "room", room, item: item.id })}`);
    app.notices.tell("copied");
  },
};

export const pin: MessageAction = {
  id: "message.pin",
  label: "action.pin",
  icon: "pin",
  when: (_app, target) => there(target) && target.powers.pin && !target.pinned,
  run: (app, { room, item }) => app.homeserver.messages.pin(room, item.id, true),
};

export const unpin: MessageAction = {
  id: "message.unpin",
  label: "action.unpin",
  icon: "pin",
  when: (_app, { powers, pinned }) => powers.pin && pinned,
  run: (app, { room, item }) => app.homeserver.messages.pin(room, item.id, false),
};

export const forward: MessageAction = {
  id: "message.forward",
  label: "action.forward",
  icon: "forward",
  shortcuts: [{ key: "f" }],
  when: (_app, target) => there(target) && target.item.body.kind !== "poll",
  run: asking("forward"),
};

export const details: MessageAction = { id: "message.details", label: "action.messageDetails", icon: "info", shortcuts: [{ key: "i" }], run: asking("details") };

export const endPoll: MessageAction = {
  id: "message.endPoll",
  label: "action.endPoll",
  icon: "poll",
  when: (_app, { item, powers }) => item.body.kind === "poll" && !item.body.poll.ended && (item.own || powers.remove),
  run: (app, { room, item }) => app.homeserver.messages.endPoll(room, item.id),
};

export const report: MessageAction = { id: "message.report", label: "action.report", icon: "flag", when: (_app, target) => !target.item.own && target.item.body.kind !== "removed", run: asking("report") };

export const remove: MessageAction = {
  id: "message.remove",
  label: "action.remove",
  icon: "trash",
  shortcuts: [{ key: "Delete" }],
  danger: true,
  when: (_app, { item, powers }) => item.body.kind !== "removed" && (item.own || powers.remove),
  run: asking("remove"),
};

/** Everything that can be done with a message, in the order of its menu. */
export const messageActions: readonly MessageAction[] = [reply, answerInThread, react, edit, forward, copyText, selectText, copyLink, pin, unpin, endPoll, details, report, remove];
