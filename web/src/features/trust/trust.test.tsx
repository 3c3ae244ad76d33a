// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, describe, expect, it } from "vitest";

import type { Verification } from "../../store/Safety.ts";
import { Guide } from "../../store/Guide.ts";
import { WordsProvider } from "../../i18n/words.tsx";
import { anna, ben, testApp, type TestApp } from "../../testing/app.ts";
import { testKey } from "../../testing/safety.ts";
import { speak } from "../../testing/words.ts";
import { AppContext } from "../context.ts";
import { LockViewModel } from "../lock/LockViewModel.ts";
import { AfreshViewModel } from "./AfreshViewModel.ts";
import { ConfirmViewModel } from "./ConfirmViewModel.ts";
import { IdentityBar } from "./IdentityView.tsx";
import { RecoveryViewModel } from "./RecoveryViewModel.ts";
import { VerificationView } from "./VerificationView.tsx";

afterEach(cleanup);

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

describe("Guide", () => {
  const kept = new Map<string, string>();
  const memory = { getItem: (name: string) => kept.get(name) ?? null, setItem: (name: string, value: string) => void kept.set(name, value) };
  let now = 100 * 60 * 60_000;
  const make = (app: TestApp): Guide => new Guide({ session: app.session, trust: app.trust, recovery: app.safety.recovery, verification: app.safety.verification }, memory, () => now);

  it("comes by itself, can be put off, and comes again the next day", () => {
    const app = testApp();
    const guide = make(app);
    expect(guide.snapshot).toBe("none");
    app.safety.recovery.set("missing");
    expect(guide.snapshot).toBe("recovery");
    guide.later();
    expect([guide.snapshot, guide.missing]).toEqual(["none", "recovery"]);
    app.trust.set("unknown");
    app.trust.set("ready");
    expect(guide.snapshot).toBe("none");
    now += 20 * 60 * 60_000;
    expect(make(app).snapshot).toBe("none");
    const next = make(app);
    app.trust.set("unknown");
    app.trust.set("ready");
    expect(next.snapshot).toBe("recovery");
  });

  it("asks anew after another sign-in", () => {
    const app = testApp();
    const guide = make(app);
    app.trust.set("unconfirmed");
    guide.later();
    app.session.set({ phase: "signingIn" });
    app.session.set({ phase: "open", me: anna, device: "OTHER" });
    expect(guide.snapshot).toBe("confirm");
  });

  it("notices that another device has confirmed this one, once the comparing is over", () => {
    const app = testApp();
    const guide = make(app);
    guide.open("confirm");
    app.safety.verification.set({ person: anna, own: true, step: "done", emoji: [], ended: undefined });
    app.trust.set("ready");
    expect(guide.snapshot).toBe("confirm");
    app.safety.verification.set(undefined);
    expect(guide.snapshot).toBe("confirmed");
  });
});

describe("RecoveryViewModel", () => {
  it("changes nothing before the key was shown to be kept", async () => {
    const app = testApp();
    const picks = [0.1, 0.1, 0.9];
    const model = new RecoveryViewModel(app, () => picks.shift() ?? 0);
    await model.make();
    expect(model.snapshot).toMatchObject({ step: "key", parts: testKey });
    model.show("check");
    expect(model.snapshot.questions.map(({ number }) => number)).toEqual([2, 11]);
    expect(model.snapshot.canFinish).toBe(false);
    model.type(2, testKey[1] ?? "");
    model.type(11, "xxxx");
    await model.finish();
    expect(model.snapshot).toMatchObject({ step: "check", fault: "different" });
    expect(app.asked).toEqual(["new key"]);
    model.type(11, ` ${testKey[10] ?? ""} `);
    await model.finish();
    expect(model.snapshot).toMatchObject({ step: "done", parts: [] });
    expect(app.asked).toEqual(["new key", "keep key"]);
  });

  it("says that nothing was changed when the server refuses", async () => {
    const app = testApp();
    const model = new RecoveryViewModel(app, () => 0.5);
    app.refuse = true;
    await model.make();
    expect(model.snapshot).toMatchObject({ step: "intro", fault: "failed", busy: false });
  });
});

describe("ConfirmViewModel", () => {
  it("takes a recovery key, and says in which way it is wrong", async () => {
    const app = testApp();
    app.guide.open("confirm");
    const model = new ConfirmViewModel(app);
    await settled();
    expect(model.snapshot).toMatchObject({ others: true, hasKey: true });
    model.type("abc");
    app.safety.answer = "notAKey";
    await model.useKey();
    expect(model.snapshot.fault).toBe("notAKey");
    app.safety.answer = "done";
    await model.useKey();
    expect(app.guide.snapshot).toBe("confirmed");
  });

  it("starts afresh with the password, and goes on to a recovery key", async () => {
    const app = testApp();
    const model = new AfreshViewModel(app);
    model.type("wrong");
    app.safety.answer = "wrong";
    await model.go();
    expect(model.snapshot).toMatchObject({ fault: "wrong", password: "" });
    app.safety.answer = "done";
    model.type("right");
    await model.go();
    expect(app.guide.snapshot).toBe("recovery");
  });
});

describe("LockViewModel", () => {
  it("waits after wrong tries and says how many are left", async () => {
    const app = testApp();
    const model = new LockViewModel(app);
    model.type("guess");
    app.unlockAnswer = { kind: "wrong", wait: 5_000, left: 6 };
    await model.unlock();
    expect(model.snapshot).toMatchObject({ wait: 5, left: 6, password: "", canUnlock: false });
    model.type("right");
    await model.unlock();
    expect(app.asked).toEqual(["unlock guess"]);
  });
});

describe("views", () => {
  const show = (app: TestApp, view: ReactNode): void => {
    render(
      <WordsProvider speech={speak("en")}>
        <AppContext value={app}>{view}</AppContext>
      </WordsProvider>,
    );
  };

  it("names the seven drawings for those who cannot see them", () => {
    const now: Verification = { person: ben, own: false, step: "compare", emoji: ["🐶", "☁️", "🔑", "🚲", "🎺", "📌", "❤️"], ended: undefined };
    show(testApp(), <VerificationView now={now} />);
    const names = screen.getAllByRole("listitem", { hidden: true }).map((item) => item.lastChild?.textContent);
    expect(names).toEqual(["Dog", "Cloud", "Key", "Bicycle", "Trumpet", "Pin", "Heart"]);
  });

  it("warns of new keys only when there are some, and lets a person act", () => {
    const app = testApp();
    show(app, <IdentityBar people={[ben]} />);
    expect(screen.queryByRole("alert")).toBeNull();
    app.safety.identities.get(ben.id)?.set("changed");
    return screen.findByRole("alert").then((alert) => {
      expect(alert.textContent).toContain("Ben Okafor");
      screen.getByRole("button", { name: "I have asked them" }).click();
      expect(app.asked).toEqual([`accept identity ${ben.id}`]);
    });
  });
});
