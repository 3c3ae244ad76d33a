import type { Colleague } from "./Colleague.ts";
import { drawPng } from "./png.ts";
import type { Server } from "./server.ts";

/** A group in which something of each kind was said, by people with long names and in two languages. Invented. */
export interface Ward {
  readonly room: string;
  readonly jonas: Colleague;
  readonly fatima: Colleague;
}

const name = "Cardiology and Ward 3 East, early shift and handover";
const reply = (id: string): object => ({ "m.relates_to": { "m.in_reply_to": { event_id: id } } });
const inThread = (id: string): object => ({ "m.relates_to": { rel_type: "m.thread", event_id: id, is_falling_back: true, "m.in_reply_to": { event_id: id } } });

/** Fills the demo hospital for somebody who has not signed in yet. */
export async function fillWard(server: Server, viewer: string): Promise<Ward> {
  const [me, jonas, fatima, yuki, erik, sofia] = await Promise.all([viewer, "Jonas Weber", "Fatima Al-Sayed", "Yuki Tanaka", "Erik Hansen", "Sofia Lindgren"].map((who) => server.colleague(who)));
  if (me === undefined || jonas === undefined || fatima === undefined || yuki === undefined || erik === undefined || sofia === undefined) throw new Error("nobody is there");
  const call = (who: Colleague, displayname: string): Promise<unknown> => who.call("PUT", `profile/${encodeURIComponent(who.user)}/displayname`, { displayname });
  await Promise.all([call(fatima, "فاطمة السيد"), call(erik, "Erik Hansen-Bergström, bed management and admissions")]);

  const encrypted = [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }];
  const invite = [me, fatima, yuki, erik, sofia].map((who) => who.user);
  const room = await jonas.room({ name, topic: "Beds, rounds and handover of both wards. ليس هنا أي بيانات للمرضى.", preset: "private_chat", invite, initial_state: encrypted, power_level_content_override: { users: { [me.user]: 100 } } });
  await Promise.all([me, fatima, yuki, erik, sofia].map((who) => who.join(room)));

  await jonas.say(room, "Good morning. Handover at the board at 7:00, please bring your open points.");
  await fatima.say(room, "صباح الخير. تمرين المشي اليوم من 10 إلى 11، أرجو إبقاء الممر خاليًا من العربات.");
  const beds = await erik.say(room, "Two beds are needed from you by 14:00. Which ones can I plan with? The list is at https://beds.hospital.example/wards/3-east/plan?day=today&shift=early&detail=everything");
  await jonas.say(room, "Beds 12 and 15 once the discharge papers are signed.", reply(beds));
  const dose = await yuki.send(room, {
    msgtype: "m.text",
    body: "Enoxaparin 40 mg/0.4 mL s.c. once daily. Metoprolol 47.5 mg at 08:00, **not** if HR < 55.\n\n- label is orange\n- max. 2 × 500 mg",
    format: "org.matrix.custom.html",
    formatted_body: "<p>Enoxaparin 40 mg/0.4 mL s.c. once daily. Metoprolol 47.5 mg at 08:00, <strong>not</strong> if HR &lt; 55.</p><ul><li>label is orange</li><li>max. 2 × 500 mg</li></ul>",
  });
  for (const who of [jonas, fatima, sofia]) await who.react(room, dose, "👍");
  await sofia.react(room, dose, "✅");
  await fatima.say(room, "أعطيتُ Metoprolol 47.5 mg الساعة 08:00، وضغط الدم الآن 128/76.");
  const ecg = drawPng(900, 520);
  await sofia.send(room, { msgtype: "m.image", body: "ECG after walking", filename: "ecg.png", url: await sofia.upload("image/png", ecg), info: { w: 900, h: 520, size: ecg.length, mimetype: "image/png" } });
  const sound = silence(4);
  const waveform = Array.from({ length: 60 }, (_, i) => Math.round(512 + 480 * Math.sin(i / 3) * Math.sin(i / 11)));
  await sofia.send(room, { msgtype: "m.audio", body: "Voice message", url: await sofia.upload("audio/wav", sound), info: { size: sound.length, mimetype: "audio/wav", duration: 4_000 }, "org.matrix.msc1767.audio": { duration: 4_000, waveform }, "org.matrix.msc3245.voice": {} });
  await yuki.send(room, { msgtype: "m.file", body: "Replacement_of_heparin_pack_sizes_and_new_labels_version_12_final.pdf", url: await yuki.upload("application/pdf", Buffer.alloc(48_000, 1)), info: { size: 48_000, mimetype: "application/pdf" } });
  await erik.send(room, { msgtype: "m.location", body: "Goods entrance", geo_uri: "geo:52.5261,13.3777", "org.matrix.msc3488.location": { description: "Goods entrance, building C" } });
  const wrong = await erik.say(room, "Wrong ward, sorry");
  await erik.call("PUT", `rooms/${encodeURIComponent(room)}/redact/${encodeURIComponent(wrong)}/r1`, {});
  const changed = await jonas.say(room, "Round starts at 9:15");
  await jonas.say(room, "* Round starts at 9:30", { "m.new_content": { msgtype: "m.text", body: "Round starts at 9:30, at the far end" }, "m.relates_to": { rel_type: "m.replace", event_id: changed } });
  const poll = await jonas.send(room, { ...question("When is the round tomorrow? متى الجولة غدًا؟", ["07:00", "07:30, after the handover", "08:00"]), "m.mentions": {} }, "org.matrix.msc3381.poll.start");
  for (const [who, answer] of [[fatima, "1"], [sofia, "1"], [yuki, "0"]] as const) {
    await who.send(room, { "m.relates_to": { rel_type: "m.reference", event_id: poll }, "org.matrix.msc3381.poll.response": { answers: [answer] } }, "org.matrix.msc3381.poll.response");
  }
  const pump = await sofia.say(room, "Infusion pump 7 is back from medical engineering and charged.");
  await jonas.say(room, "Thank you. Please keep it beside bed 4.", inThread(pump));
  await fatima.say(room, "تم، وهي الآن بجانب السرير 4.", inThread(pump));
  await me.call("PUT", `rooms/${encodeURIComponent(room)}/state/m.room.pinned_events/`, { pinned: [beds, dose] });
  await me.say(room, "Could somebody look after bed 12 until ten?");
  await me.say(room, "RR every 30 minutes, call me below 95 systolic.");
  await sofia.say(room, "I will. أنا هناك.", { "m.mentions": { user_ids: [me.user] } });

  // Others that want something.
  await sofia.room({ preset: "trusted_private_chat", is_direct: true, invite: [me.user], initial_state: encrypted });
  const ward = await erik.room(`#ward-3-east:${me.user.split(":")[1] ?? ""}`);
  await erik.say(ward, "Dr. Okafor, which of the beds can be planned with today?", { "m.mentions": { user_ids: [me.user] } });
  const staff = await erik.room(`#all-staff:${me.user.split(":")[1] ?? ""}`);
  for (let i = 1; i <= 40; i++) await erik.say(staff, `Notice ${String(i)}: the east lift is out of service until noon.`);
  const clara = await server.colleague("Clara Dubois");
  const { joined_rooms } = await clara.call("GET", "joined_rooms");
  for (const one of joined_rooms as string[]) await clara.call("POST", `rooms/${encodeURIComponent(one)}/leave`, {});
  return { room, jonas, fatima };
}

function question(text: string, answers: readonly string[]): object {
  const said = (what: string): object => ({ "org.matrix.msc1767.text": what });
  return {
    "org.matrix.msc3381.poll.start": { kind: "org.matrix.msc3381.poll.disclosed", max_selections: 1, question: { ...said(text), body: text, msgtype: "m.text" }, answers: answers.map((answer, i) => ({ id: String(i), ...said(answer) })) },
    ...said(text),
  };
}

/** A WAV file of so many seconds in which nothing is to be heard. */
function silence(seconds: number): Buffer {
  const rate = 8_000;
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + rate * seconds, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write("data", 36);
  head.writeUInt32LE(rate * seconds, 40);
  return Buffer.concat([head, Buffer.alloc(rate * seconds, 128)]);
}
