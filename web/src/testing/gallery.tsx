import { createRoot } from "react-dom/client";

import { AppView } from "../features/AppView.tsx";
import { WordsProvider } from "../i18n/words.tsx";
import { Store } from "../store/Store.ts";
import type { DemoPerson, MessageBody, MessageItem, Person, Timeline, TimelineItem } from "../store/model.ts";
import "../styles/base.css";
import "../styles/tokens.css";
import { anna, ben, chiara, roomOf, testApp, timelineOf } from "./app.ts";
import { speak } from "./words.ts";

// The screens of the app without a server: /gallery.html?screen=signin|inbox|empty|room|group|locked|insecure|broken&path=/me/devices&theme=dark&contrast=more&text=200&language=ar&term=troponin

const now = Date.now();
const minute = 60_000;
const day = 24 * 60 * minute;
const query = new URLSearchParams(location.search);
const screen = query.get("screen") ?? "signin";
const language = query.get("language") === "ar" ? "ar" : query.get("language") === "de" ? "de" : "en";
const people: DemoPerson[] = [
  ["anna.weiss", "Dr. Anna Weiss", "Cardiologist", "Cardiology"],
  ["ben.okafor", "Ben Okafor", "Charge nurse", "Ward 3"],
  ["chiara.rossi", "Dr. Chiara Rossi", "Resident", "Emergency"],
  ["david.lindqvist", "David Lindqvist", "Pharmacist", "Pharmacy"],
  ["elif.kaya", "Elif Kaya", "Nurse", "Intensive care"],
  ["farid.nasser", "Dr. Farid Nasser", "Radiologist", "Imaging"],
].map(([id = "", name = "", role = "", department = ""]) => ({ user: `@${id}:demo.example`, name, role, department, password: "demo" }));

let number = 0;
function say(sender: Person, text: string, ago: number, body: MessageBody = { kind: "text", text }): MessageItem {
  return { kind: "message", id: `$${String(++number)}`, at: now - ago, sender, own: sender === anna, edited: false, body, txn: undefined };
}

const rooms = [
  roomOf("!ben", { name: ben.name, direct: ben, unread: 2, at: now - 3 * minute, last: { kind: "text", sender: ben, own: false, text: "Troponin is back, 14 ng/l. Shall I repeat it at 16:00?" } }),
  roomOf("!ward", { name: "Ward 3 night shift", at: now - 40 * minute, members: 7, last: { kind: "text", sender: anna, own: true, text: "Thank you all, handing over now" } }),
  roomOf("!cath", { name: "Cath lab team", at: now - 5 * 60 * minute, unread: 12, members: 9, last: { kind: "picture", sender: chiara, own: false } }),
  roomOf("!chiara", { name: chiara.name, direct: chiara, at: now - day, last: { kind: "waiting", sender: chiara, own: false } }),
  roomOf("!old", { name: "Discharge planning Ward 3, Ward 4 and rehabilitation", at: now - 9 * day, members: 14, last: { kind: "none" } }),
];

const direct: TimelineItem[] = [
  { kind: "note", id: "$c", at: now - day - 30 * minute, note: { kind: "created", who: anna } },
  { kind: "note", id: "$e", at: now - day - 30 * minute, note: { kind: "encrypted", who: anna } },
  say(anna, "Good evening Ben, could you look after bed 12 tonight?", day + 10 * minute),
  say(ben, "Of course. Anything I should watch?", day + 8 * minute),
  say(anna, "Blood pressure every two hours. Call me below 95 systolic.", day + 6 * minute),
  say(anna, "And the ECG from this afternoon is in the chart.", day + 5 * minute),
  say(ben, "", 60 * minute, { kind: "waiting", reason: "arriving" }),
  say(ben, "Bed 12: 124/78, pulse 72, no pain since noon.", 30 * minute),
  say(ben, "She slept well.", 29 * minute),
  say(anna, "That is good to hear. Please send me the troponin when it is there.", 20 * minute),
  say(ben, "Troponin is back, 14 ng/l. Shall I repeat it at 16:00?", 3 * minute),
];
const group: TimelineItem[] = [
  say(ben, "Handover in ten minutes, room 3.104", 70 * minute),
  say(chiara, "On my way", 65 * minute),
  say(chiara, "Bed 4 goes to imaging first, I will be five minutes late", 64 * minute),
  say(anna, "Thank you all, handing over now", 40 * minute),
];

const app = testApp(() => Promise.reject(new Error("refused")), query.get("path") ?? (screen === "room" || screen === "group" ? `/room/${screen === "room" ? "!ben" : "!ward"}` : "/"), () => now);
app.demo.set({ hospital: "Riverside General", people });
app.directory = people.map(({ user, name }) => ({ id: user, name }));
app.rooms.set(screen === "empty" ? [] : [roomOf("!inv", { membership: "invited", direct: chiara, name: chiara.name, inviter: chiara, at: now - minute }), ...rooms]);
const shown: Timeline[] = [
  timelineOf("!ben", { items: direct, others: [ben], marks: [{ person: ben, item: direct.at(-1)?.id ?? "", at: now - 3 * minute }], typing: [ben] }),
  timelineOf("!ward", { items: group, others: [ben, chiara], marks: [{ person: ben, item: group.at(-1)?.id ?? "", at: now - 30 * minute }] }),
];
app.search.onDevice = direct.flatMap((item) => (item.kind === "message" && item.body.kind === "text" ? [{ room: "!ben", item: item.id, at: item.at, sender: item.sender, own: item.own, text: item.body.text }] : []));
app.search.onServer = [{ room: "!ward", item: "$old", at: now - 400 * day, sender: chiara, own: false, text: "مستوى troponin مرتفع، الرجاء إعادة الفحص بعد ثلاث ساعات" }];
app.search.reached.set({ since: now - 22 * day, whole: false, further: true, state: query.get("loading") === "yes" ? "loading" : "idle", read: 300 });
app.wish.set({ term: query.get("term") ?? "", everywhere: query.get("everywhere") === "yes", asked: 1 });
for (const timeline of shown) app.timelines.set(timeline.room, new Store(timeline));
if (screen === "signin") app.session.set({ phase: "signedOut", ended: false });
if (screen === "locked") app.session.set({ phase: "locked" });
if (screen === "insecure") app.session.set({ phase: "insecure" });
if (screen === "broken") app.session.set({ phase: "broken", held: false, details: "OperationError: the store does not open" });
if (screen === "opening") app.session.set({ phase: "opening", me: anna });
if (screen === "opening") app.rooms.set([]);
if (screen === "group") app.connection.set("unreachable");
if (screen === "room") void app.outbox.start().then(() => app.outbox.enqueue("!ben", { kind: "text", text: "Yes please, and tell me at once if it rises." }));
const { dataset } = document.documentElement;
dataset["theme"] = query.get("theme") ?? "light";
dataset["contrast"] = query.get("contrast") ?? "";
dataset["text"] = query.get("text") ?? "100";

const root = document.getElementById("root");
if (root === null) throw new Error("gallery.html has no #root");
createRoot(root).render(
  <WordsProvider speech={speak(language)}>
    <AppView app={app} />
  </WordsProvider>,
);
