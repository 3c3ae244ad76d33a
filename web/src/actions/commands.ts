import type { Action } from "./Action.ts";
import { goInbox, goMe, goRooms, newConversation, nextConversation, nextUnread, openPalette, previousConversation, searchMessages, showShortcuts } from "./go.ts";
import { looks } from "./look.ts";
import { presences } from "./presence.ts";

/** Everything that can be done without a target, in the order of the command palette and of the list of shortcuts. */
export const commands: readonly Action[] = [openPalette, searchMessages, goInbox, newConversation, nextUnread, nextConversation, previousConversation, goRooms, goMe, ...presences, ...looks, showShortcuts];
