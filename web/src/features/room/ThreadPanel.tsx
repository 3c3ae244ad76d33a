import { type ReactNode, useEffect, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import { useApp } from "../context.ts";
import { Composer } from "./Composer.tsx";
import { ComposerViewModel } from "./ComposerViewModel.ts";
import { Desk } from "./Desk.ts";
import { Questions } from "./Questions.tsx";
import { SidePanel } from "./SidePanel.tsx";
import { TimelineViewModel } from "./TimelineViewModel.ts";
import { TimelineView } from "./TimelineView.tsx";

/** A thread beside the conversation, or over it on a phone. */
export function ThreadPanel({ room, root, direct }: { readonly room: string; readonly root: string; readonly direct: boolean }): ReactNode {
  const { t } = useWords();
  const app = useApp();
  const [desk] = useState(() => new Desk(app, new TimelineViewModel(app, room, root), new ComposerViewModel(app, room, root), room));
  useEffect(() => {
    desk.timeline.follow(true);
  }, [desk]);
  return (
    <SidePanel title={t("thread.title")} room={room}>
      <TimelineView desk={desk} direct={direct} label={t("thread.messages")} />
      <Composer desk={desk} focus />
      <Questions desk={desk} />
    </SidePanel>
  );
}
