import type { ReactNode } from "react";

import { useSnapshot } from "../../ui/useSnapshot.ts";
import { useApp } from "../context.ts";
import type { Desk } from "./Desk.ts";
import { EmojiPicker } from "./EmojiPicker.tsx";
import { ExpiryDialog, StayDialog } from "./ExpiryDialog.tsx";
import { ForwardDialog } from "./ForwardDialog.tsx";
import { MessageDetails } from "./MessageDetails.tsx";
import { PlaceDialog } from "./PlaceDialog.tsx";
import { PollDialog } from "./PollDialog.tsx";
import { RemoveDialog, ReportDialog, SelectDialog } from "./MessageDialogs.tsx";
import { SavedRepliesDialog } from "./SavedRepliesDialog.tsx";
import { ScheduleDialog, ScheduledList } from "./ScheduleDialog.tsx";

/** What is being asked in a conversation, over it. */
export function Questions({ desk }: { readonly desk: Desk }): ReactNode {
  const app = useApp();
  const question = useSnapshot(desk);
  if (question === undefined) return null;
  switch (question.kind) {
    case "remove":
      return <RemoveDialog item={question.item} desk={desk} />;
    case "report":
      return <ReportDialog item={question.item} desk={desk} />;
    case "select":
      return <SelectDialog item={question.item} desk={desk} />;
    case "details":
      return <MessageDetails item={question.item} desk={desk} />;
    case "forward":
      return <ForwardDialog item={question.item} desk={desk} />;
    case "sign":
      return (
        <EmojiPicker
          onClose={desk.close}
          onPick={(sign) => {
            desk.close();
            app.homeserver.messages.react(desk.room, question.item.id, sign).catch(() => {
              app.notices.tell("failed");
            });
          }}
        />
      );
    case "poll":
      return <PollDialog desk={desk} />;
    case "place":
      return <PlaceDialog desk={desk} />;
    case "expiry":
      return <ExpiryDialog desk={desk} />;
    case "stay":
      return <StayDialog desk={desk} />;
    case "schedule":
      return <ScheduleDialog desk={desk} />;
    case "scheduled":
      return <ScheduledList desk={desk} />;
    case "replies":
      return <SavedRepliesDialog desk={desk} />;
  }
}
