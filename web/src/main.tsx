import { createRoot } from "react-dom/client";

import { askToShow, mayShow, playSound, showOutside } from "./client/announce.ts";
import { BrowserAccount } from "./client/BrowserAccount.ts";
import { BrowserUpdates } from "./client/updates.ts";
import { AppView } from "./features/AppView.tsx";
import { followLanguage } from "./i18n/language.ts";
import { WordsProvider } from "./i18n/words.tsx";
import type { App } from "./store/App.ts";
import { Announcer } from "./store/Announcer.ts";
import { Drafts } from "./store/Drafts.ts";
import { Guide } from "./store/Guide.ts";
import { forgetWish, noWish } from "./store/MessageSearch.ts";
import { Notices } from "./store/Notices.ts";
import { Preferences } from "./store/Preferences.ts";
import { Route } from "./store/Route.ts";
import { Store } from "./store/Store.ts";
import type { Overlay } from "./store/model.ts";
import { followAppearance } from "./styles/appearance.ts";
import "./styles/tokens.css";
import "./styles/base.css";

const drafts = new Drafts();
const account = new BrowserAccount(drafts);
const browserUpdates = new BrowserUpdates(() => account.flush());

const app: App = {
  account,
  homeserver: account.faces.homeserver,
  safety: account.faces.safety,
  outbox: account.outbox,
  drafts,
  updates: browserUpdates,
  guide: new Guide(account, localStorage, Date.now),
  preferences: new Preferences(localStorage),
  route: new Route({
    get path() {
      return location.pathname;
    },
    push: (path) => {
      history.pushState(null, "", path);
    },
    replace: (path) => {
      history.replaceState(null, "", path);
    },
    listen: (listener) => {
      addEventListener("popstate", listener);
    },
  }),
  notices: new Notices(),
  overlay: new Store<Overlay>("none"),
  wish: new Store(noWish),
  session: account.session,
  connection: account.connection,
  rooms: account.rooms,
  spaces: account.spaces,
  presence: account.presence,
  typing: account.typing,
  blocked: account.blocked,
  trust: account.trust,
  demo: account.demo,
  outside: { allowed: mayShow, ask: askToShow },
  now: Date.now,
};

followAppearance(app.preferences, document);
forgetWish(app.session, app.wish);
addEventListener("storage", app.preferences.reread);

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
void account.start();

// The worker fetches the whole app once: that can wait until there is something to read.
const unwatch = app.connection.subscribe(() => {
  if (app.connection.snapshot !== "online") return;
  unwatch();
  if (import.meta.env.PROD) void browserUpdates.start();
});

/** Without its sentences the app can say nothing. A browser may remember that it could not fetch them: only a new page asks again. */
const startAgain = (): Promise<never> => {
  setTimeout(() => {
    location.reload();
  }, 2_000);
  return new Promise(() => undefined);
};
const speech = await followLanguage(app.preferences, navigator.languages).catch(startAgain);
new Announcer({
  rooms: app.rooms,
  session: app.session,
  preferences: app.preferences,
  route: app.route,
  watched: () => document.visibilityState === "visible" && document.hasFocus(),
  sound: () => {
    if (account.leads) playSound(); // not once per tab
  },
  show: (room) => {
    if (!account.leads) return;
    showOutside(String(speech.snapshot.sentences["notice.outside"]), () => {
      app.route.go({ at: "room", room });
    });
  },
});

createRoot(root).render(
  <WordsProvider speech={speech}>
    <AppView app={app} />
  </WordsProvider>,
);
