import type { App } from "../../store/App.ts";
import { choices, draftKey, noDraft, restOf, type Draft, type DraftKey } from "../../store/Drafts.ts";
import type { TextContent } from "../../store/Messages.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { SavedReply } from "../../store/conversation.ts";
import { findEmoji, loadEmoji, type Emoji } from "../../store/emoji.ts";
import { formatted } from "../../store/markdown.ts";
import type { MessageItem, OutboxContent, OutboxEntry, Person, Priority, RoomId, Timeline } from "../../store/model.ts";
import { format, triggerAt, type Chosen, type Format, type Trigger } from "./formatting.ts";
import { RoomStoreOf } from "./RoomStoreOf.ts";

/** Longer than this a message would not fit into an event once it is formatted and encrypted. */
export const longest = 20_000;

export type Suggestion =
  | { readonly kind: "person"; readonly key: string; readonly person: Person }
  | { readonly kind: "room"; readonly key: string }
  | { readonly kind: "emoji"; readonly key: string; readonly emoji: Emoji }
  | { readonly kind: "reply"; readonly key: string; readonly reply: SavedReply };

export interface ComposerSnapshot {
  readonly draft: Draft;
  /** How many bytes it is too long. */
  readonly excess: number;
  readonly canSend: boolean;
  /** A critical message does not wait. */
  readonly canWait: boolean;
  /** This device could not keep what was to be sent: it was not sent. */
  readonly notKept: boolean;
  readonly suggestions: readonly Suggestion[];
  /** Which one the arrow keys are at. */
  readonly active: number;
  /** Where the caret is to be set. Each wish is a new object. */
  readonly caret: { readonly start: number; readonly end: number } | undefined;
  /** The message that is answered, or whose text is changed. */
  readonly about: MessageItem | undefined;
  /** How long messages of this room stay. */
  readonly expiry: number | undefined;
}

interface Choice {
  readonly suggestions: readonly Suggestion[];
  readonly active: number;
}

const noChoice: Choice = { suggestions: [], active: 0 };
const mostSuggestions = 6;
/** Stands for everybody in the room. */
const everybody = "@room";

/** What is being written in a room or in one of its threads. */
export class ComposerViewModel implements Readable<ComposerSnapshot> {
  readonly room: RoomId;
  readonly thread: string | undefined;
  readonly #app: App;
  readonly #key: DraftKey;
  readonly #timeline: Readable<Timeline | undefined>;
  readonly #choice = new Store<Choice>(noChoice);
  readonly #notKept = new Store(false);
  readonly #caret = new Store<ComposerSnapshot["caret"]>(undefined);
  readonly #derived: Readable<ComposerSnapshot>;
  #trigger: Trigger | undefined;
  #language = "en";
  /** A message is being put on the shelf: the next one waits. */
  #keeping: Promise<void> | undefined;
  readonly subscribe: (listener: () => void) => () => void;

  constructor(app: App, room: RoomId, thread?: string) {
    this.room = room;
    this.thread = thread;
    this.#app = app;
    this.#key = draftKey(room, thread);
    this.#timeline = new RoomStoreOf(app, (homeserver) => (thread === undefined ? homeserver.timeline(room) : homeserver.messages.thread(room, thread)));
    const mine = new Derived([app.drafts], (drafts) => drafts.get(this.#key) ?? noDraft);
    const about = new Derived([mine, this.#timeline], (draft, timeline) => {
      const id = draft.edit?.item ?? draft.reply;
      return id === undefined ? undefined : timeline?.items.find((item): item is MessageItem => item.kind === "message" && item.id === id);
    });
    const expiry = new Derived([this.#timeline], (timeline) => timeline?.expiry);
    this.#derived = new Derived([mine, this.#choice, this.#caret, about, expiry, this.#notKept], (draft, choice, caret, item, after, notKept) => {
      const excess = Math.max(0, bytes(draft.text) - longest);
      const canSend = excess === 0 && draft.text.trim() !== "";
      return { draft, excess, canSend, canWait: canSend && draft.priority !== "critical", notKept, ...choice, caret, about: item, expiry: after };
    });
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): ComposerSnapshot {
    return this.#derived.snapshot;
  }

  get #draft(): Draft {
    return this.#app.drafts.get(this.#key);
  }

  readonly type = (text: string, caret = text.length): void => {
    this.#notKept.set(false);
    this.#keep({ ...this.#draft, text });
    this.#app.homeserver.typing(this.room, text.trim() !== "");
    this.#trigger = triggerAt(text, caret);
    void this.#suggest(this.#trigger);
  };

  /** In which language emoji are looked for. */
  readonly speak = (language: string): void => {
    this.#language = language;
  };

  readonly format = (chosen: Chosen, how: Format): void => {
    const { text, start, end } = format(chosen, how);
    this.#keep({ ...this.#draft, text });
    this.#caret.set({ start, end });
  };

  /** Puts something where the caret is. */
  readonly insert = (piece: string, { text, start, end }: Chosen): void => {
    this.#keep({ ...this.#draft, text: text.slice(0, start) + piece + text.slice(end) });
    const at = start + piece.length;
    this.#caret.set({ start: at, end: at });
  };

  readonly moveChoice = (step: 1 | -1): void => {
    this.#choice.update(({ suggestions, active }) => ({ suggestions, active: (active + step + suggestions.length) % suggestions.length }));
  };

  readonly dismiss = (): void => {
    this.#trigger = undefined;
    this.#choice.set(noChoice);
  };

  readonly choose = (suggestion: Suggestion | undefined = this.snapshot.suggestions[this.snapshot.active]): void => {
    const trigger = this.#trigger;
    if (trigger === undefined || suggestion === undefined) return;
    const draft = this.#draft;
    const piece = pieceOf(suggestion);
    const after = draft.text.slice(trigger.start + trigger.term.length + 1);
    const person = suggestion.kind === "person" ? suggestion.person : suggestion.kind === "room" ? { id: everybody, name: "room" } : undefined;
    const people = draft.people ?? [];
    this.dismiss();
    this.#keep({
      ...draft,
      text: draft.text.slice(0, trigger.start) + piece + after,
      ...(person === undefined || people.some((one) => one.id === person.id) ? {} : { people: [...people, person] }),
    });
    const at = trigger.start + piece.length;
    this.#caret.set({ start: at, end: at });
  };

  readonly reply = (item: MessageItem): void => {
    const { edit, ...draft } = this.#draft;
    this.#keep({ ...draft, text: edit?.before ?? draft.text, reply: item.id });
    this.#toEnd();
  };

  readonly edit = (item: MessageItem): void => {
    if (item.body.kind === "text") this.#change(item.id, item.body.text);
  };

  #change(item: string, text: string): void {
    const { edit, ...draft } = this.#draft;
    this.#keep({ ...draft, reply: undefined, text, edit: { item, before: edit?.before ?? draft.text }, people: this.#timeline.snapshot?.others ?? [] });
    this.#toEnd();
  }

  readonly prioritize = (priority: Priority | undefined): void => {
    this.#keep({ ...this.#draft, priority });
  };

  /**
   * The arrow up in an empty field changes what one has written last. As long as that is not on the server, nothing: it
   * must not be the message before it.
   */
  readonly editLast = (): boolean => {
    const own = (this.#timeline.snapshot?.items ?? []).filter((item): item is MessageItem => item.kind === "message" && item.own);
    const here = (entry: OutboxEntry): boolean => own.some((item) => item.txn === entry.txn || item.id === entry.event);
    const sent = this.#app.outbox.snapshot.findLast((entry) => entry.room === this.room && entry.content.thread === this.thread && !here(entry));
    if (sent !== undefined) {
      if (sent.event === undefined || sent.content.kind !== "text" || sent.content.edits !== undefined) return false;
      this.#change(sent.event, sent.content.text);
      return true;
    }
    const last = own.findLast((item) => item.body.kind === "text");
    if (last === undefined) return false;
    this.edit(last);
    return true;
  };

  /** Answers nothing and changes nothing any more. */
  readonly leaveAbout = (): void => {
    const { edit, ...draft } = this.#draft;
    this.#keep({ ...draft, reply: undefined, text: edit?.before ?? draft.text });
    this.#toEnd();
  };

  /** After how many milliseconds the message is to vanish; undefined as the room says. */
  readonly stay = (after: number | undefined): void => {
    this.#keep({ ...this.#draft, stays: after });
  };

  /** Hands what was written to the outbox; as long as that does not have it, it stays here. A second press finds nothing left. */
  readonly send = async (): Promise<void> => {
    while (this.#keeping !== undefined) await this.#keeping;
    this.#keeping = this.#send().finally(() => (this.#keeping = undefined));
    await this.#keeping;
  };

  async #send(): Promise<void> {
    const sent = this.#draft;
    const content = this.snapshot.canSend ? this.content() : undefined;
    if (content === undefined) return;
    try {
      await this.#enqueue(content);
    } catch {
      this.#notKept.set(true); // only the device's own store can refuse
      return;
    }
    this.#notKept.set(false);
    this.#clear(sent);
  }

  /** Hands it to the server to be sent later. */
  readonly sendLater = async (at: number): Promise<void> => {
    const sent = this.#draft;
    const content = this.snapshot.canWait ? this.content() : undefined;
    if (content === undefined) return;
    await this.#app.homeserver.messages.schedule(this.room, content, at);
    this.#clear(sent);
  };

  readonly sendPoll = async (question: string, answers: readonly string[], open: boolean, most: number): Promise<void> => {
    await this.#enqueue({ kind: "poll", question, answers, open, most, ...this.#address(), ...choices(this.#draft) });
    this.#forgetChoices();
  };

  readonly sendPlace = async (): Promise<boolean> => {
    const place = await this.#app.homeserver.messages.here();
    if (place === undefined) return false;
    await this.#enqueue({ kind: "place", place, ...this.#address(), ...choices(this.#draft) });
    this.#forgetChoices();
    return true;
  };

  /** The text as it would be sent now; undefined when there is none. */
  content(): TextContent | undefined {
    const { draft, about } = this.snapshot;
    const text = draft.text.trim();
    if (text === "") return undefined;
    const named = (draft.people ?? []).filter((person) => text.includes(`@${person.name}`));
    const people = named.filter((person) => person.id !== everybody);
    const html = formatted(text, people);
    // Whoever is answered is meant as well.
    const answered = draft.edit === undefined && about !== undefined && !about.own ? [about.sender.id] : [];
    const mentions = [...new Set([...people.map((person) => person.id), ...answered])];
    return {
      kind: "text",
      text,
      ...(html === undefined ? {} : { html }),
      ...(mentions.length > 0 ? { mentions } : {}),
      ...(named.length > people.length ? { mentionsRoom: true } : {}),
      ...(draft.edit === undefined
        ? { ...this.#address(draft.reply), ...choices(draft) }
        : { edits: draft.edit.item, ...this.#address(), ...(about?.expires === undefined ? {} : { until: about.expires }) }),
    };
  }

  #address(reply?: string): { readonly thread?: string; readonly reply?: string } {
    return { ...(this.thread === undefined ? {} : { thread: this.thread }), ...(reply === undefined ? {} : { reply }) };
  }

  async #enqueue(content: OutboxContent): Promise<void> {
    this.#app.homeserver.messages.toNewest(this.room, this.thread);
    await this.#app.outbox.enqueue(this.room, content);
  }

  #clear(sent: Draft): void {
    this.dismiss();
    this.#keep(restOf(this.#draft, sent));
    this.#app.homeserver.typing(this.room, false);
  }

  /** They were for one message. */
  #forgetChoices(): void {
    this.#keep({ ...this.#draft, priority: undefined, stays: undefined });
  }

  async #suggest(trigger: Trigger | undefined): Promise<void> {
    const suggestions = trigger === undefined ? [] : await this.#find(trigger);
    if (this.#trigger === trigger) this.#choice.set(suggestions.length === 0 ? noChoice : { suggestions, active: 0 });
  }

  async #find({ kind, term }: Trigger): Promise<readonly Suggestion[]> {
    const wanted = term.toLowerCase();
    switch (kind) {
      case "person": {
        const { others = [], powers } = this.#timeline.snapshot ?? {};
        const found = others.filter(({ id, name }) => name.toLowerCase().split(/\s+/).some((_, i, parts) => parts.slice(i).join(" ").startsWith(wanted)) || id.slice(1).startsWith(wanted));
        const room: Suggestion[] = powers?.mentionRoom === true && others.length > 1 && "room".startsWith(wanted) ? [{ kind: "room", key: everybody }] : [];
        return [...found.slice(0, mostSuggestions).map((person): Suggestion => ({ kind: "person", key: person.id, person })), ...room];
      }
      case "emoji": {
        const all = await loadEmoji(this.#language);
        return findEmoji(all, term, mostSuggestions).map((emoji) => ({ kind: "emoji", key: emoji.sign, emoji }));
      }
      case "reply": {
        const replies = this.#app.homeserver.messages.savedReplies().snapshot;
        return replies.filter(({ name, text }) => `${name} ${text}`.toLowerCase().includes(wanted)).map((reply) => ({ kind: "reply", key: reply.id, reply }));
      }
    }
  }

  #toEnd(): void {
    const at = this.#draft.text.length;
    this.#caret.set({ start: at, end: at });
  }

  #keep(draft: Draft): void {
    this.#app.drafts.keep(this.#key, draft);
  }
}

function pieceOf(suggestion: Suggestion): string {
  switch (suggestion.kind) {
    case "person":
      return `@${suggestion.person.name} `;
    case "room":
      return `${everybody} `;
    case "emoji":
      return `${suggestion.emoji.sign} `;
    case "reply":
      return suggestion.reply.text;
  }
}

function bytes(text: string): number {
  return text.length * 3 < longest ? 0 : new TextEncoder().encode(text).length;
}
