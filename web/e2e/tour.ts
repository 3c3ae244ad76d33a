import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { desktop, openBrowser, Person, phone, pictures } from "./person.ts";
import { Server, type DemoSignIn } from "./server.ts";
import { Tourist } from "./Tourist.ts";
import { fillWard, type Ward } from "./ward.ts";

// Each screen on a phone and at a desk, in English and Arabic, light, dark, with high contrast and large letters. One
// person with two devices; what she sees was written by the others with the API.

let server: Server;
let browser: Browser;
let desk: Tourist;
let hand: Tourist;
let me: DemoSignIn;
let ward: Ward;

beforeAll(async () => {
  [server, browser] = await Promise.all([Server.start(), openBrowser()]);
  const first = (await server.people()).find((person) => person.name === "Dr. Amara Okafor");
  if (first === undefined) throw new Error("nobody is there");
  me = first;
  ward = await fillWard(server, me.user);
  const [table, palm] = await Promise.all([Person.at(browser, server.address, desktop), Person.at(browser, server.address, phone, true)]);
  // The stream carries what is refused below; without it requests are ordinary ones.
  for (const person of [table, palm]) await person.page.routeWebSocket("**/_myelin/v1/stream", (socket) => void socket.close());
  [desk, hand] = await Promise.all([Tourist.with(table, "desktop"), Tourist.with(palm, "phone")]);
});

afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  for (const [name, { person }] of Object.entries({ desk, hand })) {
    process.stderr.write([name, ...person.faults, ...person.said.slice(-8), ""].join("\n"));
    await person.page.screenshot({ path: `${pictures}failed-tour-${name}.png` });
  }
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

/** Does the same on both devices. */
const both = async (act: (at: Tourist) => Promise<void>): Promise<void> => {
  await Promise.all([desk, hand].map(act));
};
const openWard = async ({ page }: Tourist): Promise<void> => {
  await page.goto(`/room/${encodeURIComponent(ward.room)}`);
  await page.getByText("RR every 30 minutes").first().waitFor();
};
const said = (page: Page, text: string | RegExp): Locator => page.getByRole("article").filter({ hasText: text }).first();
/** Opens the menu of a message, and chooses from it. */
const choose = async (page: Page, text: string, command: string): Promise<void> => {
  await said(page, text).getByRole("button", { name: "Message options" }).dispatchEvent("click");
  await page.getByRole("menuitem", { name: command, exact: true }).click();
};
/** Refuses requests while something is looked at. */
const refusing = async (page: Page, path: string, act: () => Promise<void>): Promise<void> => {
  await page.route(path, (route) => route.abort());
  await act();
  await page.unroute(path);
};
/** Closes a window by the keyboard; the focus has to be somewhere in the page afterwards. */
const closeWindow = async (page: Page): Promise<void> => {
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await page.evaluate(() => document.activeElement?.tagName)).not.toBe("BODY");
};
/** A machine that does much else takes its time. */
const patience = 900_000;

it("shows the sign-in, and what is wrong with it", async () => {
  await both(async (at) => {
    const { page } = at;
    await page.getByRole("heading", { name: "Sign in as somebody" }).waitFor();
    await at.look("sign-in");
    await page.getByLabel("User name").fill("amara.okafor");
    await page.getByLabel("Password").fill("wrong");
    await refusing(page, "**/v3/login", async () => {
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
      await page.getByText("The server is not reachable").waitFor();
      await at.look("sign-in-unreachable");
    });
  });
}, patience);

it("shows how messages are kept safe, and how a device is confirmed", async () => {
  const { page } = desk;
  await desk.person.signIn(me.name, "stay");
  await desk.look("recovery");
  await page.getByRole("button", { name: "Make my recovery key" }).click();
  const parts = page.getByRole("list", { name: "Your recovery key" }).locator("code");
  await parts.first().waitFor();
  const key = await parts.allTextContents();
  await desk.look("recovery-key");
  await page.getByRole("button", { name: "I have kept it" }).click();
  await desk.look("recovery-check");
  for (const label of await page.locator("label").filter({ hasText: /^Part/ }).allTextContents()) {
    await page.getByRole("textbox", { name: label, exact: true }).fill(key[Number(label.split(" ")[1]) - 1] ?? "");
  }
  await page.getByRole("button", { name: "Check and finish" }).click();
  await page.getByRole("button", { name: "Done" }).click();

  await hand.person.signIn(me.name, "stay");
  await hand.page.getByRole("button", { name: /another device/ }).waitFor();
  await hand.look("confirm");
  await hand.page.getByRole("button", { name: /recovery key/ }).click();
  await hand.page.getByRole("textbox", { name: "Recovery key" }).fill("abcd");
  await hand.page.getByRole("button", { name: "Confirm", exact: true }).click();
  await hand.look("confirm-key");
  await hand.page.getByRole("button", { name: "Back" }).click();
  await hand.page.getByRole("button", { name: /another device/ }).click();
  await page.getByRole("heading", { name: /wants to be confirmed/ }).waitFor();
  await Promise.all([desk.look("verify-asked"), hand.look("verify-waiting")]);
  await page.getByRole("button", { name: "Go on" }).click();
  await both(async (at) => {
    await at.page.getByRole("list", { name: "Seven drawings" }).waitFor();
    await at.look("verify-compare");
  });
  await both(({ page }) => page.getByRole("button", { name: "They are the same" }).click());
  await both(async (at) => {
    await at.page.getByRole("heading", { name: "The device is confirmed" }).waitFor();
    await at.look("verify-done");
    await at.page.getByRole("button", { name: "Close" }).click();
  });
  await hand.page.getByRole("button", { name: "Done" }).click();
}, patience);

it("shows the list of conversations, and what is searched in it", async () => {
  // Something that this device gets no key for, ever.
  await ward.jonas.send(ward.room, { algorithm: "m.megolm.v1.aes-sha2", ciphertext: "AwgAEnAA", device_id: "GONE", sender_key: "x", session_id: "y" }, "m.room.encrypted");
  await ward.jonas.say(ward.room, "Thank you, both.");
  await both(async (at) => {
    const { page } = at;
    await page.getByRole("link", { name: /Thank you, both/ }).waitFor();
    await at.look("inbox");
    const search = page.getByLabel("Search people and rooms");
    await search.fill("er");
    await page.getByRole("heading", { name: "People" }).waitFor();
    await at.look("search");
    await search.fill("zzz");
    await page.getByText("Nobody and nothing found").waitFor();
    await at.look("search-nothing");
    await refusing(page, "**/user_directory/search", async () => {
      await search.fill("yyy");
      await page.getByText("People could not be searched").waitFor();
      await at.look("search-failed");
    });
    await search.fill("");
    await page.getByRole("button", { name: /Options for All staff/ }).or(page.getByRole("link", { name: /^All staff/ })).first().hover();
    await page.getByRole("link", { name: /^All staff/ }).dispatchEvent("contextmenu");
    await page.getByRole("menu").waitFor();
    await at.look("inbox-menu");
    await page.keyboard.press("Escape");
  });
}, patience);

it("shows a conversation with everything in it", async () => {
  await both(async (at) => {
    const { page } = at;
    await openWard(at);
    await page.getByRole("img", { name: "Picture ecg.png" }).waitFor({ state: "attached" });
    await at.look("conversation");
    for (let i = 2; i <= (at === desk ? 2 : 4); i++) {
      await page.getByRole("log").evaluate((log) => {
        log.scrollTop -= log.clientHeight * 0.8;
      });
      await at.look(`conversation-${String(i)}`);
    }
    await page.getByRole("button", { name: /Go to the newest/ }).click();
    await page.getByRole("button", { name: "Attach" }).click();
    await at.look("attach-menu");
    await page.keyboard.press("Escape");
    await said(page, "RR every 30").getByRole("button", { name: "Message options" }).dispatchEvent("click");
    await at.look("message-menu");
    await page.keyboard.press("Escape");
    await refusing(page, "**/send/m.room.encrypted/**", async () => {
      await at.person.write("Is the second pump **charged**? هل المضخة الثانية مشحونة؟");
      await page.getByText("Waiting to be sent").waitFor();
      await at.look("message-waiting");
    });
    await said(page, "Is the second pump").getByText(/Sent|Read/).waitFor();
  });
}, patience);

it("tells who listens what somebody else has just written", async () => {
  // What comes while the page opens is not news: it has to wait for what happens from now on.
  await both(async (at) => {
    const listens = at.page.waitForRequest(/\/sync\?.*timeout=[1-9]/);
    await openWard(at);
    await listens;
  });
  await ward.fatima.say(ward.room, "المضخة **جاهزة**", { format: "org.matrix.custom.html", formatted_body: "المضخة <strong>جاهزة</strong>" });
  await both(async ({ page }) => {
    await page.getByRole("status").filter({ hasText: /فاطمة السيد.*المضخة جاهزة/u }).waitFor({ state: "attached" });
  });
}, patience);

it("shows threads, and answers to messages", async () => {
  await both(async (at) => {
    const { page } = at;
    await openWard(at);
    await page.getByRole("button", { name: "Threads" }).click();
    await page.getByRole("complementary", { name: "Threads" }).getByRole("link", { name: /2 replies/ }).waitFor();
    await at.look("threads");
    await page.getByRole("complementary", { name: "Threads" }).getByRole("link", { name: /2 replies/ }).click();
    await page.getByRole("complementary", { name: "Thread" }).getByText("Please keep it beside bed 4").waitFor();
    await at.look("thread");
    await page.getByRole("button", { name: "Close", exact: true }).click();
    await choose(page, "I will. أنا هناك.", "Reply");
    await page.getByText("Answering Sofia").waitFor();
    await at.look("answering");
    await page.keyboard.press("Escape");
  });
}, patience);

it("shows the windows of a conversation", async () => {
  const fromMessage = [["Message details", "details"], ["Forward", "forward"], ["React", "emoji"]] as const;
  const fromMenu = [["Saved replies", "replies"], ["Poll", "poll"]] as const;
  await both(async (at) => {
    const { page } = at;
    for (const [command, name] of fromMessage) {
      await choose(page, "RR every 30", command);
      await page.getByRole("dialog").waitFor();
      if (name === "emoji") await page.getByRole("dialog").getByRole("button", { name: "grinning face", exact: true }).waitFor();
      await at.look(name);
      await closeWindow(page);
    }
    await choose(page, "I will. أنا هناك.", "Report");
    await at.look("report");
    await closeWindow(page);
    for (const [command, name] of fromMenu) {
      await page.getByRole("button", { name: "Attach" }).click();
      await page.getByRole("menuitem", { name: command, exact: true }).click();
      await page.getByRole("dialog").waitFor();
      await at.look(name);
      await closeWindow(page);
    }
    await page.getByRole("textbox", { name: "Message" }).fill("At the end of the shift");
    await page.getByRole("button", { name: "Attach" }).click();
    await page.getByRole("menuitem", { name: "Send later" }).click();
    await at.look("schedule");
    await closeWindow(page);
    await page.getByRole("textbox", { name: "Message" }).fill("");
  });
}, patience);

it("shows what is known about a conversation", async () => {
  const places = [["about", "Details"], ["people", "People"], ["settings", "Settings"], ["permissions", "Permissions"], ["files", "Pictures and files"], ["pins", "Pinned"]] as const;
  await both(async (at) => {
    const { page } = at;
    for (const [path, title] of places) {
      await page.goto(`/room/${encodeURIComponent(ward.room)}/${path}`);
      await page.getByRole("complementary", { name: title }).waitFor();
      await page.getByRole("status", { name: /^Loading/ }).waitFor({ state: "detached" });
      await at.look(`pane-${path}`);
    }
    await page.goto(`/room/${encodeURIComponent(ward.room)}/people`);
    await page.getByRole("button", { name: /Jonas Weber.*Owner/ }).click();
    await page.getByRole("dialog").waitFor();
    await at.look("pane-person");
    await closeWindow(page);
    await page.goto(`/room/${encodeURIComponent(ward.room)}/about`);
    await page.getByRole("button", { name: "Leave conversation" }).click();
    await at.look("pane-leave");
    await closeWindow(page);
  });
}, patience);

it("shows how a conversation begins", async () => {
  await both(async (at) => {
    const { page } = at;
    await page.goto("/people");
    const field = page.getByLabel("Find people by name");
    await field.waitFor();
    await at.look("new");
    for (const name of ["Weber", "Tanaka"]) {
      await field.fill(name);
      await page.getByRole("list", { name: "People found" }).getByRole("button", { name }).click();
    }
    await field.fill("an");
    await page.getByRole("list", { name: "People found" }).waitFor();
    await at.look("new-group");
    await page.goto("/rooms");
    await page.getByRole("heading", { name: "Rooms" }).waitFor();
    await page.getByRole("status", { name: /^Loading/ }).waitFor({ state: "detached" });
    await at.look("rooms");
  });
}, patience);

it("shows everything that can be set", async () => {
  await both(async (at) => {
    const { page } = at;
    for (const section of ["", "profile", "appearance", "notifications", "devices", "about"]) {
      await page.goto(`/me/${section}`);
      await page.getByRole("navigation", { name: "Settings" }).or(page.getByRole("heading", { level: 2 })).filter({ visible: true }).first().waitFor();
      await page.getByRole("status", { name: /^Loading/ }).waitFor({ state: "detached" });
      await at.look(section === "" ? "me" : `me-${section}`);
    }
    await page.goto("/me");
    await page.getByRole("button", { name: "Sign out" }).click();
    await at.look("me-sign-out");
    await closeWindow(page);
    await page.keyboard.press("Control+k");
    await page.getByRole("dialog").getByRole("combobox").fill("e");
    await at.look("palette");
    await closeWindow(page);
  });
  await desk.page.keyboard.press("?");
  await desk.page.getByRole("dialog").waitFor();
  await desk.look("shortcuts");
  await closeWindow(desk.page);
}, patience);

it("says what to do when something could not be loaded", async () => {
  const room = `/room/${encodeURIComponent(ward.room)}`;
  const cases = [
    ["**/v3/devices", "/me/devices", "devices"],
    ["**/v3/pushrules/**", "/me/notifications", "notifications"],
    ["**/v3/publicRooms*", "/rooms", "rooms"],
    ["**/v1/rooms/*/threads*", `${room}/threads`, "threads"],
  ] as const;
  await both(async (at) => {
    const { page } = at;
    for (const [path, place, name] of cases) {
      await refusing(page, path, async () => {
        await page.goto(place);
        await page.getByText(/could (not|n’t) be loaded|could not load/i).first().waitFor();
        await at.look(`failed-${name}`);
      });
    }
    await refusing(page, "**/v3/rooms/*/messages*", async () => {
      await page.goto("/");
      await page.getByRole("link", { name: /^All staff/ }).click();
      await page.getByText("Notice 40:").last().waitFor();
      await page.getByRole("log").evaluate((log) => {
        log.scrollTop = 0;
      });
      await page.getByText("Older messages could not be loaded").scrollIntoViewIfNeeded();
      await at.look("failed-older");
    });
    await page.goto("/room/!nowhere:here");
    await page.getByText("This conversation is not here").waitFor();
    await at.look("gone");
    await page.goto("/");
    await page.getByRole("list", { name: "Conversations" }).waitFor();
    await refusing(page, "**/_matrix/**", async () => {
      await page.getByText("Server not reachable").waitFor({ timeout: 60_000 });
      await at.look("unreachable");
    });
    await page.getByText("Server not reachable").waitFor({ state: "hidden", timeout: 60_000 });
  });
}, patience);

it("shows the lock, and what is asked when it cannot be opened", async () => {
  await both(async (at) => {
    const { page } = at;
    await page.goto("/me");
    await page.getByRole("button", { name: "Lock now" }).click();
    await page.getByRole("button", { name: "Unlock", exact: true }).waitFor();
    await at.look("lock");
    await page.getByLabel("Password").fill("not the password");
    await page.getByRole("button", { name: "Unlock", exact: true }).click();
    await page.getByText("That is not the password").waitFor();
    await at.look("lock-wrong");
    await page.getByRole("button", { name: "I cannot unlock it" }).click();
    await at.look("lock-give-up");
    await page.getByRole("button", { name: "Back" }).click();
    await page.getByLabel("Password").fill(me.password);
    await page.getByRole("button", { name: "Unlock", exact: true }).click();
    await page.getByRole("button", { name: "Lock now" }).waitFor();
  });
}, patience);

it("shows what there is while nothing has come yet, and when there is nothing", async () => {
  const person = await Person.at(browser, server.address, phone, true);
  const { page } = person;
  const [small, large] = [await Tourist.with(person, "phone"), await Tourist.with(person, "desktop")];
  const twice = async (name: string): Promise<void> => {
    await small.look(name);
    await page.setViewportSize(desktop);
    await large.look(name);
    await page.setViewportSize(phone);
  };
  let go: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (go = resolve));
  await page.routeWebSocket("**/_myelin/v1/stream", (socket) => void socket.close());
  await page.route("**/v3/sync*", (route) => held.then(() => route.continue()).catch(() => undefined));
  await page.getByRole("button", { name: "Clara Dubois" }).click();
  await page.getByRole("status", { name: "Opening your messages" }).first().waitFor();
  await twice("inbox-loading");
  go();
  await page.getByRole("dialog").getByRole("button", { name: "Not now" }).click();
  await page.getByRole("heading", { name: "No conversations yet" }).waitFor();
  await twice("inbox-empty");
  await page.getByRole("button", { name: "New conversation" }).first().click();
  await page.getByLabel("Find people by name").fill("Weber");
  await page.getByRole("list", { name: "People found" }).getByRole("button", { name: "Jonas Weber" }).click();
  await page.getByRole("button", { name: /^Write to/ }).click();
  await page.getByRole("textbox", { name: "Message" }).waitFor();
  await twice("conversation-empty");
  const room = new URL(page.url()).pathname;
  for (const [pane, text] of [["threads", "No threads yet"], ["files", "No files yet"], ["pins", "Nothing is pinned"]] as const) {
    await page.goto(`${room}/${pane}`);
    await page.getByRole("complementary").getByRole("heading", { name: text }).waitFor();
    await small.look(`empty-${pane}`);
  }
  hand.person.faults.push(...person.faults);
  await person.leave();
}, patience);

it("says so when the session has ended", async () => {
  await server.endSessions(me.user);
  await both(async (at) => {
    await at.page.getByText("Your session has ended").waitFor({ timeout: 60_000 });
    await at.look("session-ended");
  });
}, patience);

it("never threw, broke the content security policy, or showed something too small, too wide or wrong for axe", () => {
  expect([...desk.person.faults, ...hand.person.faults]).toEqual([]);
}, patience);
