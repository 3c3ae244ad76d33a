import type { ReactNode } from "react";

import { useWords } from "../../i18n/words.tsx";
import { SidePanel } from "../room/SidePanel.tsx";
import { SearchParts } from "./SearchView.tsx";

/** The search beside a conversation, for its messages or for those of all. */
export function SearchPanel({ room }: { readonly room: string }): ReactNode {
  const { t } = useWords();
  return (
    <SidePanel title={t("action.search")} room={room}>
      <SearchParts room={room} />
    </SidePanel>
  );
}
