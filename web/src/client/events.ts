import { EventType, M_POLL_KIND_DISCLOSED, M_POLL_START, MsgType, RelationType, type MatrixEvent, type Room } from "matrix-js-sdk";
import { DecryptionFailureCode } from "matrix-js-sdk/lib/crypto-api";

import type { Place, Poll } from "../store/conversation.ts";
import type { EncryptedFile, MediaBody, MediaKind, MediaSource } from "../store/media.ts";
import type { MessageBody, Note, Person, Priority, TimelineItem } from "../store/model.ts";
import { list, number, record, string, type Content } from "./json.ts";
import { localPart } from "./wire.ts";

/** A member of a room by name; the local part of the id for somebody without one. */
export function personIn(room: Room, id: string): Person {
  const name = room.getMember(id)?.rawDisplayName;
  return { id, name: name === undefined || name === "" || name === id ? localPart(id) : name };
}

/** What a person sees of an event; undefined for everything that is not shown by itself. */
export function itemOf(event: MatrixEvent, room: Room, me: string): TimelineItem | undefined {
  const id = event.getId();
  const sender = event.getSender();
  if (id === undefined || sender === undefined) return undefined;
  const at = event.getTs();
  if (event.isState()) {
    const note = noteOf(event, room);
    return note === undefined ? undefined : { kind: "note", id, at, note };
  }
  const body = bodyOf(event);
  if (body === undefined) return undefined;
  const edited = event.replacingEvent() !== null;
  const content: Content = event.getContent();
  const first: Content = event.getOriginalContent();
  const expires = number(first[expiresAt]); // an edit does not put it off
  const priority = priorityOf(first);
  return {
    kind: "message",
    id,
    at,
    sender: personIn(room, sender),
    own: sender === me,
    edited,
    body,
    txn: event.getUnsigned().transaction_id,
    ...(mentions(content, me) && sender !== me ? { mentioned: true } : {}),
    ...(priority === undefined ? {} : { priority }),
    ...(expires === undefined ? {} : { expires }),
  };
}

export function bodyOf(event: MatrixEvent): MessageBody | undefined {
  if (event.isRelation(RelationType.Replace)) return undefined;
  if (event.isRedacted()) {
    if (hasExpired(event)) return undefined;
    const type = event.getType();
    return type === "m.room.message" || type === "m.room.encrypted" || M_POLL_START.matches(type) ? { kind: "removed" } : undefined;
  }
  const vanishes = number(event.getOriginalContent()[expiresAt]);
  if (vanishes !== undefined && vanishes <= Date.now()) return undefined;
  if (event.isDecryptionFailure()) return { kind: "waiting", reason: waitingReason(event.decryptionFailureReason) };
  if (event.isBeingDecrypted() || event.getType() === "m.room.encrypted") return undefined; // known in a moment
  if (M_POLL_START.matches(event.getType())) return { kind: "poll", poll: unasked(event.getContent()) };
  if (event.getType() !== "m.room.message") return undefined;
  if (event.getContent().msgtype === MsgType.KeyVerificationRequest) return undefined; // asked over the page
  return messageBody(event.getContent());
}

/** Has its writer taken it back because its time was over? Nobody else can make a message vanish without a trace. */
function hasExpired(event: MatrixEvent): boolean {
  const because = record(event.getUnsigned().redacted_because);
  return because["sender"] === event.getSender() && record(because["content"])["reason"] === expired;
}

/** The part of a poll's content that says what is asked; three spellings of it are about. */
export function pollStart(content: Content): Content {
  return record(content["m.poll"] ?? content[M_POLL_START.altName] ?? content[M_POLL_START.name]);
}

/** A poll before its votes are known. */
function unasked(content: Content): Poll {
  const start = pollStart(content);
  const open = M_POLL_KIND_DISCLOSED.matches(string(start["kind"]) ?? "");
  return { question: textOf(record(start["question"])), answers: [], open, most: 1, ended: false, voters: 0 };
}

function waitingReason(code: DecryptionFailureCode | null): Extract<MessageBody, { kind: "waiting" }>["reason"] {
  switch (code) {
    case DecryptionFailureCode.HISTORICAL_MESSAGE_NO_KEY_BACKUP:
    case DecryptionFailureCode.HISTORICAL_MESSAGE_BACKUP_UNCONFIGURED:
    case DecryptionFailureCode.HISTORICAL_MESSAGE_WORKING_BACKUP:
    case DecryptionFailureCode.HISTORICAL_MESSAGE_USER_NOT_JOINED:
      return "before";
    case DecryptionFailureCode.MEGOLM_KEY_WITHHELD:
    case DecryptionFailureCode.MEGOLM_KEY_WITHHELD_FOR_UNVERIFIED_DEVICE:
      return "withheld";
    default:
      return "arriving";
  }
}

/** Room state: how long messages stay, `{"after": milliseconds}`. */
export const expiryType = "org.myelin.expiry";
/** In a message's encrypted content: when it vanishes, in milliseconds since 1970. */
export const expiresAt = "org.myelin.expires_at";
/** In a message's encrypted content: "urgent" or "critical". */
export const priorityKey = "org.myelin.priority";

/** Why a message was deleted whose time was over: it leaves no trace. */
export const expired = "org.myelin.expired";

/** Reads a message written by any client: every field may be missing or of another type. */
export function messageBody(content: Content): MessageBody {
  const kind = mediaKind(content);
  const source = mediaSource(content);
  if (kind !== undefined && source !== undefined) return mediaBody(kind, source, content);
  const text = string(content["body"]) ?? "";
  if (content["msgtype"] === MsgType.Location) {
    const place = placeOf(string(content["geo_uri"]) ?? "");
    if (place !== undefined) return { kind: "place", place, name: string(record(content["org.matrix.msc3488.location"])["description"]) ?? "" };
  }
  const reply = record(record(content["m.relates_to"])["m.in_reply_to"])["event_id"] !== undefined;
  return {
    kind: "text",
    text: reply ? withoutFallback(text) : text,
    ...(content["format"] === "org.matrix.custom.html" && typeof content["formatted_body"] === "string" ? { html: content["formatted_body"] } : {}),
    ...(content["msgtype"] === MsgType.Emote ? { emote: true } : {}),
  };
}

function mediaKind(content: Content): MediaKind | undefined {
  switch (content["msgtype"]) {
    case MsgType.Image:
      return "picture";
    case MsgType.Video:
      return "video";
    case MsgType.Audio:
      return "org.matrix.msc3245.voice" in content || "m.voice" in content ? "voice" : "audio";
    case MsgType.File:
      return "file";
    default:
      return undefined;
  }
}

const mostBars = 256;

function mediaBody(kind: MediaKind, source: MediaSource, content: Content): MediaBody {
  const info = record(content["info"]);
  const details = record(content["org.matrix.msc1767.audio"] ?? content["m.audio_details"]);
  const waveform = Array.isArray(details["waveform"]) ? details["waveform"].slice(0, mostBars) : [];
  const body = string(content["body"]) ?? "";
  const name = string(content["filename"]);
  return {
    kind,
    name: name ?? body,
    caption: name === undefined || name === body ? "" : body,
    source,
    thumbnail: mediaSource({ url: info["thumbnail_url"], file: info["thumbnail_file"], info: info["thumbnail_info"] }),
    width: number(info["w"]) ?? 0,
    height: number(info["h"]) ?? 0,
    duration: number(info["duration"]) ?? number(details["duration"]),
    waveform: waveform.map((value) => Math.min(1024, number(value) ?? 0)),
    blurhash: string(info["xyz.amorgan.blurhash"]),
  };
}

/** Older clients begin an answer with the lines that it answers. */
function withoutFallback(text: string): string {
  if (!text.startsWith("> <")) return text;
  const lines = text.split("\n");
  const end = lines.findIndex((line) => !line.startsWith(">"));
  return end === -1 ? text : lines.slice(lines[end] === "" ? end + 1 : end).join("\n");
}

/** RFC 5870: "geo:52.5186,13.3761;u=35". */
function placeOf(uri: string): Place | undefined {
  const [, latitude = NaN, longitude = NaN] = (/^geo:(-?[\d.]+),(-?[\d.]+)/.exec(uri) ?? []).map(Number);
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? { latitude, longitude } : undefined;
}

/** The text of something that may be said in several ways. */
export function textOf(content: Content): string {
  const modern = list(content["m.text"]).map((one) => string(record(one)["body"]));
  return string(content["org.matrix.msc1767.text"]) ?? modern.find((one) => one !== undefined) ?? string(content["body"]) ?? "";
}

export function priorityOf(content: Content): Priority | undefined {
  const said = content[priorityKey];
  return said === "urgent" || said === "critical" ? said : undefined;
}

/** Is somebody meant by name? A message says so by itself. */
export function mentions(content: Content, me: string): boolean {
  const named = record(content["m.mentions"]);
  return list(named["user_ids"]).includes(me) || named["room"] === true;
}

function mediaSource(content: Content): MediaSource | undefined {
  const info = record(content["info"]);
  const file = encryptedFile(content["file"]);
  const url = file?.url ?? string(content["url"]);
  if (!url?.startsWith("mxc://")) return undefined;
  return { url, type: string(info["mimetype"]) ?? "application/octet-stream", size: number(info["size"]), file };
}

function encryptedFile(value: unknown): EncryptedFile | undefined {
  const file = record(value);
  const key = record(file["key"]);
  const ok =
    string(file["url"]) !== undefined &&
    string(file["iv"]) !== undefined &&
    string(record(file["hashes"])["sha256"]) !== undefined &&
    string(key["k"]) !== undefined &&
    key["alg"] === "A256CTR";
  return ok ? (value as EncryptedFile) : undefined;
}

function noteOf(event: MatrixEvent, room: Room): Note | undefined {
  const who = personIn(room, event.getSender() ?? "");
  const content: Content = event.getContent();
  switch (event.getType()) {
    case EventType.RoomCreate:
      return { kind: "created", who };
    case EventType.RoomEncryption:
      return { kind: "encrypted", who };
    case EventType.RoomName:
      return { kind: "named", who, name: string(content["name"]) ?? "" };
    case EventType.RoomTopic:
      return { kind: "topic", who };
    case EventType.RoomAvatar:
      return { kind: "picture", who };
    case EventType.RoomPowerLevels:
      return Object.keys(event.getPrevContent()).length === 0 ? undefined : { kind: "powers", who };
    case EventType.RoomPinnedEvents:
      return { kind: "pinned", who };
    case expiryType:
      return { kind: "expiry", who, after: number(content["after"]) };
    case EventType.RoomMember:
      return membershipNote(event, room, who);
    default:
      return undefined;
  }
}

function membershipNote(event: MatrixEvent, room: Room, who: Person): Note | undefined {
  const target = personIn(room, event.getStateKey() ?? "");
  const content: Content = event.getContent();
  const before = record(event.getPrevContent())["membership"];
  const now = content["membership"];
  if (now === before) return undefined; // a new name or picture
  const self = target.id === who.id;
  if (now === "invite") return { kind: "invited", who, target };
  if (now === "join") return target.id === room.getCreator() && before === undefined ? undefined : { kind: "joined", who: target };
  if (now === "ban") return { kind: "banned", who, target };
  if (now !== "leave") return undefined;
  if (!self) return { kind: "removedPerson", who, target };
  return { kind: before === "invite" ? "declined" : "left", who };
}
