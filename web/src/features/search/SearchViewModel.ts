import type { App } from "../../store/App.ts";
import type { Hit, Hits, Reach, Sought, Wish } from "../../store/MessageSearch.ts";
import type { Place } from "../../store/Route.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import type { Person, RoomId } from "../../store/model.ts";
import { isWanted, piecesOf, wantedOf, type Piece } from "../../store/words.ts";

/** A message that was found, as a line of the list. */
export interface FoundLine {
  readonly id: string;
  readonly to: Place;
  readonly at: number;
  readonly sender: Person;
  readonly own: boolean;
  /** The name of its conversation; undefined where that goes without saying. */
  readonly room: string | undefined;
  readonly pieces: readonly Piece[];
}

export interface SearchSnapshot {
  readonly term: string;
  readonly asked: number;
  readonly everywhere: boolean;
  /** `failed`: not even this device could be searched. */
  readonly state: "idle" | "searching" | "done" | "failed";
  readonly lines: readonly FoundLine[];
  readonly more: boolean;
  /** The server could not be asked about what is not encrypted. */
  readonly partly: boolean;
  readonly reach: Reach;
}

/** What has been answered. */
interface Answers {
  readonly state: SearchSnapshot["state"];
  readonly term: string;
  readonly here: Hits | "failed" | undefined;
  readonly there: Hits | "failed" | undefined;
}

const pause = 200;
const pageSize = 20;
const excerpt = 160;
const none: Answers = { state: "idle", term: "", here: undefined, there: undefined };

/** Searches messages while somebody types: on this device and on the server at once, and shows both as one list. */
export class SearchViewModel implements Readable<SearchSnapshot> {
  readonly #app: App;
  /** The conversation beside which it stands. */
  readonly #beside: RoomId | undefined;
  readonly #answers = new Store<Answers>(none);
  readonly #shown = new Store(pageSize);
  readonly #derived: Readable<SearchSnapshot>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #question = 0;
  #heard = 0;
  #wish: Wish;

  constructor(app: App, beside: RoomId | undefined) {
    this.#app = app;
    this.#beside = beside;
    this.#wish = app.wish.snapshot;
    const lines = new Derived([this.#answers, app.rooms, this.#shown, app.wish], ({ here, there, term }, rooms, shown, { everywhere }) => {
      const wanted = wantedOf(term);
      const names = new Map(rooms.map((room) => [room.id, room.name]));
      const hits = merged(here, there).slice(0, shown);
      return hits.map((hit) => this.#line(hit, piecesOf(hit.text, wanted, excerpt), beside !== undefined && !everywhere ? undefined : (names.get(hit.room) ?? "")));
    });
    const reach = new Derived([app.wish, app.homeserver.search.reach(), ...(beside === undefined ? [] : [app.homeserver.search.reach(beside)])], (wish, all, one = all) => (wish.everywhere ? all : one));
    this.#derived = new Derived([this.#answers, lines, app.wish, reach, this.#shown], ({ state, here, there }, found, wish, reached, shown) => ({
      term: wish.term,
      asked: wish.asked,
      everywhere: beside === undefined || wish.everywhere,
      state,
      lines: found,
      more: merged(here, there).length > shown || [here, there].some((one) => one !== undefined && one !== "failed" && one.more),
      partly: there === "failed",
      reach: reached,
    }));
  }

  get snapshot(): SearchSnapshot {
    return this.#derived.snapshot;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    const end = this.#derived.subscribe(listener);
    const wish = this.#app.wish.subscribe(this.#wished);
    let { since, read } = this.snapshot.reach;
    const reach = this.#derived.subscribe(() => {
      const now = this.snapshot.reach;
      if (now.since === since && now.read === read) return;
      ({ since, read } = now);
      this.#later(false); // there is more to be found now
    });
    if (this.#heard++ === 0) this.#later(true);
    return () => {
      this.#heard--;
      end();
      wish();
      reach();
      if (this.#heard === 0) clearTimeout(this.#timer);
    };
  };

  readonly type = (term: string): void => {
    this.#app.wish.update((wish) => ({ ...wish, term }));
  };

  /** In all conversations, or in the one beside it only. */
  readonly choose = (everywhere: boolean): void => {
    this.#app.wish.update((wish) => ({ ...wish, everywhere }));
  };

  readonly more = (): void => {
    this.#shown.update((shown) => shown + pageSize);
    void this.#ask(false);
  };

  readonly again = (): void => {
    void this.#ask(true);
  };

  readonly goFurther = (): void => {
    this.#app.homeserver.search.goFurther(this.#room).catch(() => undefined); // the reach says so
  };

  readonly stop = (): void => {
    this.#app.homeserver.search.stop();
  };

  get #room(): RoomId | undefined {
    return this.#app.wish.snapshot.everywhere ? undefined : this.#beside;
  }

  #line({ room, item, at, sender, own }: Hit, pieces: readonly Piece[], name: string | undefined): FoundLine {
    const said = name === sender.name && !own; // of a conversation with one other person
    return { id: item, to: { at: "room", room, item, side: "search" }, at, sender, own, room: said ? undefined : name, pieces };
  }

  readonly #wished = (): void => {
    const { term, everywhere } = this.#app.wish.snapshot;
    const { term: before, everywhere: wasEverywhere } = this.#wish;
    this.#wish = this.#app.wish.snapshot;
    if (term === before && everywhere === wasEverywhere) return;
    this.#shown.set(pageSize);
    this.#later(true);
  };

  /** Asks after a short pause. `anew`: for something else than before. */
  #later(anew: boolean): void {
    clearTimeout(this.#timer);
    const wanted = isWanted(wantedOf(this.#app.wish.snapshot.term));
    if (!wanted) this.#question++;
    if (!wanted) this.#answers.set(none);
    else if (anew) this.#answers.update((now) => ({ ...now, state: "searching" }));
    if (wanted) this.#timer = setTimeout(() => void this.#ask(anew), pause);
  }

  async #ask(anew: boolean): Promise<void> {
    const question = ++this.#question;
    const { term } = this.#app.wish.snapshot;
    if (anew) this.#answers.update((now) => ({ ...now, state: "searching" }));
    const sought: Sought = { term, room: this.#room, limit: this.#shown.snapshot };
    const answered = (change: (now: Answers) => Answers): void => {
      if (question === this.#question) this.#answers.update(change);
    };
    const ask = (hits: Promise<Hits>): Promise<Hits | "failed"> => hits.catch(() => "failed" as const);
    const { search } = this.#app.homeserver;
    const there = ask(search.there(sought));
    // What the device finds is shown at once; what the server said before is out of date then.
    const here = await ask(search.here(sought));
    answered((now) => ({ ...now, term, here, there: now.term === term && !anew ? now.there : undefined }));
    const last = await there;
    answered((now) => ({ ...now, there: last, state: here === "failed" ? "failed" : "done" }));
  }
}

/** Both lists as one, newest first. */
function merged(...lists: readonly (Hits | "failed" | undefined)[]): Hit[] {
  const all = lists.flatMap((one) => (one === undefined || one === "failed" ? [] : one.hits));
  return [...new Map(all.map((hit) => [hit.item, hit])).values()].sort((a, b) => b.at - a.at);
}
