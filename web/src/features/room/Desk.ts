import type { MessageTarget, Question } from "../../actions/message.ts";
import type { App } from "../../store/App.ts";
import { Store, type Readable } from "../../store/Store.ts";
import type { MessageItem, RoomId } from "../../store/model.ts";
import type { ComposerViewModel } from "./ComposerViewModel.ts";
import type { TimelineViewModel } from "./TimelineViewModel.ts";

/** One conversation, or a thread of it: its messages, what is being written, and what is being asked about a message. */
export class Desk implements Readable<Question | undefined> {
  readonly room: RoomId;
  readonly thread: string | undefined;
  readonly timeline: TimelineViewModel;
  readonly composer: ComposerViewModel;
  readonly #app: App;
  readonly #question = new Store<Question | undefined>(undefined);

  constructor(app: App, timeline: TimelineViewModel, composer: ComposerViewModel, room: RoomId) {
    this.#app = app;
    this.room = room;
    this.thread = timeline.thread;
    this.timeline = timeline;
    this.composer = composer;
  }

  get snapshot(): Question | undefined {
    return this.#question.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#question.subscribe(listener);

  target(item: MessageItem): MessageTarget {
    const { powers, pinned, me } = this.timeline.snapshot;
    return { room: this.room, thread: this.thread, item, me: me?.id, powers, pinned: pinned.some((one) => one.item === item.id), desk: this };
  }

  readonly reply = (item: MessageItem): void => {
    this.composer.reply(item);
  };

  readonly edit = (item: MessageItem): void => {
    this.composer.edit(item);
  };

  readonly ask = (question: Question): void => {
    this.#question.set(question);
  };

  readonly close = (): void => {
    this.#question.set(undefined);
  };

  /** Goes to a message of this room, wherever it is. */
  readonly toItem = async (item: string): Promise<void> => {
    const thread = await this.timeline.toItem(item);
    if (thread !== undefined) this.#app.route.go({ at: "room", room: this.room, thread });
  };
}
