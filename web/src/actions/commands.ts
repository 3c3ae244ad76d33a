import type { Action } from "./Action.ts";
import { goInbox, goMe, newConversation, nextConversation, nextUnread, openPalette, previousConversation, showShortcuts } from "./go.ts";
import { looks } from "./look.ts";

/** Everything that can be done without a target, in the order of the command palette and of the list of shortcuts. */
export const commands: readonly Action[] = [openPalette, goInbox, newConversation, nextUnread, nextConversation, previousConversation, goMe, ...looks, showShortcuts];
