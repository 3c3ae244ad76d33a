import type { Messages } from "../store/Messages.ts";
import { Store } from "../store/Store.ts";
import type { SavedReply, Schedule } from "../store/conversation.ts";
import type { TestApp } from "./app.ts";

/** Writes down what is asked about messages. */
export function testMessages(ask: (what: string) => Promise<void>, app: () => TestApp): Messages {
  const savedReplies = new Store<readonly SavedReply[]>([]);
  const scheduled = new Store<Schedule>({ able: false, messages: [] });
  return {
    enter: () => undefined,
    thread: (room, root) => app().timelines.get(`${room} ${root}`),
    threads: async (room) => {
      await ask(`threads ${room}`);
      return [];
    },
    loadOlder: (room) => ask(`older ${room}`),
    loadNewer: (room) => ask(`newer ${room}`),
    follow: () => undefined,
    toNewest: () => undefined,
    toItem: async (room, item) => {
      await ask(`go ${room} ${item}`);
      return undefined;
    },
    toUnread: (room) => ask(`unread ${room}`),
    toTime: async (room, at) => {
      await ask(`time ${room} ${String(at)}`);
      return "$there";
    },
    markRead: (room, _thread, item) => ask(`read ${room} ${item}`),
    react: (room, item, key) => ask(`react ${room} ${item} ${key}`),
    remove: (room, item) => ask(`remove ${room} ${item}`),
    pin: (room, item, yes) => ask(`pin ${room} ${item} ${String(yes)}`),
    forward: (from, item, to) => ask(`forward ${from} ${item} ${to}`),
    report: (room, item, reason) => ask(`report ${room} ${item} ${reason}`),
    vote: (room, poll, answers) => ask(`vote ${room} ${poll} ${answers.join(",")}`),
    endPoll: (room, poll) => ask(`end ${room} ${poll}`),
    setExpiry: (room, after) => ask(`expiry ${room} ${String(after)}`),
    here: () => Promise.resolve({ latitude: 52.5, longitude: 13.4 }),
    scheduled: () => scheduled,
    schedule: (room, content, at) => ask(`schedule ${room} ${content.text} ${String(at)}`),
    refreshScheduled: () => Promise.resolve(),
    cancelScheduled: (id) => ask(`cancel ${id}`),
    sendScheduled: (id) => ask(`send ${id}`),
    savedReplies: () => savedReplies,
    saveReplies: async (replies) => {
      await ask(`replies ${replies.map((reply) => reply.name).join(",")}`);
      savedReplies.set(replies);
    },
  };
}
