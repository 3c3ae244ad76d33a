import type { ReactNode } from "react";

import type { App } from "../store/App.ts";
import { OverDialogs } from "../ui/Dialog.tsx";
import { useSnapshot } from "../ui/useSnapshot.ts";
import { BrokenView, InsecureView } from "./gate/GateView.tsx";
import { LockView } from "./lock/LockView.tsx";
import { NotSentView } from "./shell/NotSentView.tsx";
import { ShellView } from "./shell/ShellView.tsx";
import { SignInView } from "./signin/SignInView.tsx";
import { GuideView } from "./trust/GuideView.tsx";
import { AppContext } from "./context.ts";

const notSent = <NotSentView over />;

/** Chooses the screen by where the person stands between opening the page and reading messages. */
export function AppView({ app }: { readonly app: App }): ReactNode {
  return (
    <AppContext value={app}>
      <Phase app={app} />
    </AppContext>
  );
}

function Phase({ app }: { readonly app: App }): ReactNode {
  const session = useSnapshot(app.session);
  switch (session.phase) {
    case "starting":
      return null;
    case "signedOut":
    case "signingIn":
      return <SignInView />;
    case "opening":
    case "open":
      return (
        <OverDialogs value={notSent}>
          <ShellView />
          <GuideView />
        </OverDialogs>
      );
    case "locked":
      return <LockView />;
    case "insecure":
      return <InsecureView />;
    case "broken":
      return <BrokenView held={session.held} details={session.details} />;
  }
}
