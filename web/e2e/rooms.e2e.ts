import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

import { desktop, openBrowser, Person, phone, pictures } from "./person.ts";
import { Server, type DemoSignIn } from "./server.ts";

// A charge nurse at a desk makes a group, gives it rules and people; a nurse with a phone is let in, leaves and asks to come back.

let server: Server;
let browser: Browser;
let charge: Person;
let nurse: Person;
let chargeIs: DemoSignIn;
let nurseIs: DemoSignIn;
let managerIs: DemoSignIn;

beforeAll(async () => {
  [server, browser] = await Promise.all([Server.start(), openBrowser()]);
  const people = await server.people();
  const called = (name: string): DemoSignIn => {
    const found = people.find((person) => person.name === name);
    if (found === undefined) throw new Error(`nobody is called ${name}`);
    return found;
  };
  [chargeIs, nurseIs, managerIs] = [called("Jonas Weber"), called("Sofia Lindgren"), called("Erik Hansen")];
  charge = await Person.at(browser, server.address, desktop);
  nurse = await Person.at(browser, server.address, phone, true);
  await Promise.all([charge.signIn(chargeIs.name), nurse.signIn(nurseIs.name)]);
});

afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  process.stderr.write([...charge.faults, ...nurse.faults].join("\n"));
  await charge.page.screenshot({ path: `${pictures}failed-rooms-charge.png` });
  await nurse.page.screenshot({ path: `${pictures}failed-rooms-nurse.png` });
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

it("lists conversations with who is there, and marks a mention differently from what is only new", async () => {
  const domain = nurseIs.user.split(":")[1] ?? "";
  const manager = await server.colleague(managerIs.user);
  const ward = await manager.room(`#ward-3-east:${domain}`);
  await manager.say(ward, "Sofia, which beds?", { "m.mentions": { user_ids: [nurseIs.user] } });
  const line = nurse.page.getByRole("link", { name: /Ward 3 East/ });
  await line.getByRole("img", { name: "You are mentioned" }).waitFor();
  await line.getByText("Erik Hansen: Sofia, which beds?").waitFor();
  const other = charge.page.getByRole("link", { name: /Ward 3 East/ });
  await other.getByText("Erik Hansen: Sofia, which beds?").waitFor();
  expect(await other.getByRole("img", { name: "You are mentioned" }).count()).toBe(0);
  await nurse.look("rooms-inbox-phone");
  await charge.look("rooms-inbox-desktop");
  await line.click();
  await nurse.sees("Sofia, which beds?");
  await nurse.page.getByRole("button", { name: "Back to the inbox" }).click();
  await line.getByRole("img", { name: "You are mentioned" }).waitFor({ state: "hidden" });
});

it("makes a group and invites", async () => {
  const { page } = charge;
  await charge.go("New");
  for (const one of [nurseIs, managerIs]) {
    await page.getByLabel("Find people by name").fill(one.name.split(" ")[1] ?? "");
    await page.getByRole("button", { name: one.name }).click();
  }
  await page.getByLabel("Name of the group").fill("Night shift");
  await charge.look("rooms-new-group-desktop");
  await page.getByRole("button", { name: /Start group/ }).click();
  await page.getByRole("heading", { name: "Night shift" }).waitFor();
  await nurse.page.getByRole("heading", { name: "Invitations" }).waitFor();
  await nurse.look("rooms-invitation-phone");
  await nurse.page.getByRole("button", { name: "Accept" }).click();
  await nurse.page.getByRole("heading", { name: "Night shift" }).waitFor();
  await charge.write("Handover at nine");
  await nurse.sees("Handover at nine");
});

it("gives a role, which the other one sees", async () => {
  const { page } = charge;
  await page.getByRole("button", { name: "People and details" }).click();
  await charge.look("rooms-about-desktop");
  await page.getByRole("navigation", { name: "Details" }).getByRole("link", { name: /People/ }).click();
  await page.getByRole("region", { name: "2 people" }).getByRole("button", { name: nurseIs.name }).click();
  await charge.look("rooms-person-desktop");
  await page.getByLabel("Role").selectOption({ label: "Moderator" });
  await page.getByRole("button", { name: "Change role" }).click();
  await page.getByRole("button", { name: /Sofia Lindgren.*Moderator/ }).waitFor();
  await nurse.page.getByRole("button", { name: "People and details" }).click();
  await nurse.look("rooms-about-phone");
  await nurse.page.getByRole("navigation", { name: "Details" }).getByRole("link", { name: /People/ }).click();
  await nurse.page.getByText("Moderator (you)").waitFor();
  await nurse.look("rooms-people-phone");
});

it("shows who may do what, and lets one's own choices be made", async () => {
  const { page } = nurse;
  await page.getByRole("button", { name: "Back to the details" }).click();
  await page.getByRole("link", { name: "Permissions" }).click();
  await page.getByText("Your role here: Moderator").waitFor();
  await nurse.look("rooms-permissions-phone");
  await page.getByRole("button", { name: "Back to the details" }).click();
  await page.getByLabel("Notify me").selectOption({ label: "Never (muted)" });
  await page.getByRole("button", { name: "Favourite" }).click();
  await page.getByRole("button", { name: "Favourite", pressed: true }).waitFor();
  await page.getByRole("button", { name: "Close details" }).click();
  await page.getByRole("button", { name: "Back to the inbox" }).click();
  await page.getByRole("list", { name: "Favourites" }).getByRole("link", { name: /Night shift.*Muted/ }).waitFor();
  await nurse.look("rooms-sections-phone");
  await charge.page.getByRole("link", { name: /All staff/ }).click({ button: "right" });
  await charge.page.getByRole("menu").waitFor();
  await charge.look("rooms-menu-desktop");
  await charge.page.getByRole("menuitem", { name: "Mark as read" }).click();
  await charge.page.getByRole("link", { name: /All staff.*unread/ }).waitFor({ state: "hidden" });
  await charge.page.getByRole("link", { name: /All staff/ }).click({ button: "right" });
  await charge.page.getByRole("menuitem", { name: "Mark as unread" }).click();
  await charge.page.getByRole("link", { name: /All staff.*Marked as unread/ }).waitFor();
});

it("tells others that one is away", async () => {
  await nurse.page.getByRole("button", { name: /Your availability/ }).click();
  await nurse.page.getByRole("menuitem", { name: "Be away" }).click();
  await nurse.page.getByRole("button", { name: "Your availability: Away" }).waitFor();
  await charge.page.getByRole("region", { name: "2 people" }).getByRole("img", { name: "Away" }).waitFor();
  await charge.look("rooms-people-desktop");
});

it("opens the group to who asks, and lets somebody who left come back", async () => {
  const { page } = charge;
  await page.getByRole("button", { name: "Back to the details" }).click();
  await page.getByRole("link", { name: "Settings" }).click();
  // Both turn when the server has taken them.
  await page.getByRole("radio", { name: "Who asks and is let in" }).click();
  await page.getByRole("radio", { name: "Who asks and is let in", checked: true }).waitFor();
  await page.getByRole("checkbox", { name: "Show in the list of rooms" }).click();
  await page.getByRole("checkbox", { name: "Show in the list of rooms", checked: true }).waitFor();
  await page.getByRole("textbox", { name: "Topic" }).fill("Who works tonight");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Save" }).waitFor({ state: "hidden" });
  await charge.look("rooms-settings-desktop");

  await nurse.page.getByRole("link", { name: /Night shift/ }).click();
  await nurse.page.getByRole("button", { name: "People and details" }).click();
  await nurse.page.getByText("Who works tonight").waitFor();
  await nurse.page.getByRole("button", { name: "Leave conversation" }).click();
  await nurse.page.getByRole("checkbox", { name: /delete its history/ }).check();
  await nurse.look("rooms-leave-phone");
  await nurse.page.getByRole("button", { name: "Leave", exact: true }).click();
  await nurse.page.getByRole("link", { name: /Night shift/ }).waitFor({ state: "hidden" });

  await nurse.go("New");
  await nurse.page.getByRole("link", { name: /Look through the rooms/ }).click();
  await nurse.page.getByRole("button", { name: "Ask to join Night shift" }).click();
  await nurse.page.getByLabel(/Why/).fill("Back on nights");
  await nurse.look("rooms-knock-phone");
  await nurse.page.getByRole("dialog").getByRole("button", { name: "Ask to join" }).click();
  await nurse.page.getByText("You have asked").waitFor();
  await nurse.look("rooms-browse-phone");
  await nurse.page.getByRole("button", { name: "Back to the inbox" }).click();
  await nurse.page.getByRole("heading", { name: "Waiting to be let in" }).waitFor();

  await page.getByText("1 person asks to be let in").first().waitFor();
  await page.getByRole("link", { name: "Look" }).click();
  await page.getByText("Back on nights").waitFor();
  await charge.look("rooms-knocking-desktop");
  await page.getByRole("button", { name: `Let in ${nurseIs.name}` }).click();
  await nurse.page.getByRole("button", { name: "Accept" }).click();
  await nurse.page.getByRole("heading", { name: "Night shift" }).waitFor();
});

it("removes and bans, and says so to who was removed", async () => {
  const { page } = charge;
  await page.getByRole("region", { name: "2 people" }).getByRole("button", { name: nurseIs.name }).click();
  await page.getByRole("button", { name: "Ban", exact: true }).click();
  await page.getByLabel(/Reason/).fill("Changed wards");
  await page.getByRole("dialog").getByRole("button", { name: "Ban", exact: true }).click();
  await page.getByRole("button", { name: `Lift ban of ${nurseIs.name}` }).waitFor();
  await nurse.page.getByText("This conversation is not here").waitFor();
  await page.getByRole("button", { name: `Lift ban of ${nurseIs.name}` }).click();
  await page.getByRole("button", { name: `Lift ban of ${nurseIs.name}` }).waitFor({ state: "hidden" });
});

it("never threw, broke the content security policy or showed axe anything wrong", () => {
  expect([...charge.faults, ...nurse.faults]).toEqual([]);
});
