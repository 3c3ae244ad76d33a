import type { App } from "../../store/App.ts";
import { choices, draftKey } from "../../store/Drafts.ts";
import { Derived, Store, type Readable } from "../../store/Store.ts";
import { Unfit, type OutgoingMedia, type PictureSize, type UnfitReason } from "../../store/media.ts";
import type { Priority, RoomId } from "../../store/model.ts";
import type { Mark } from "./marks.ts";

/** One chosen file on its way to being sent. */
export interface Piece {
  readonly id: number;
  readonly original: File;
  readonly as: "media" | "file";
  readonly caption: string;
  readonly marks: readonly Mark[];
  /** What would be sent now; undefined while it is made or when it cannot be. */
  readonly ready: OutgoingMedia | undefined;
  readonly fault: UnfitReason | "tooLarge" | undefined;
}

export interface AttachSnapshot {
  readonly open: "no" | "pieces" | "camera" | "voice";
  readonly pieces: readonly Piece[];
  readonly chosen: Piece | undefined;
  readonly size: PictureSize;
  /** The largest file that may be sent, in bytes. */
  readonly limit: number | undefined;
  readonly busy: boolean;
  /** This device had no room to keep them. */
  readonly full: boolean;
  /** What was spoken could not be made ready. */
  readonly unmade: boolean;
  readonly canSend: boolean;
  /** How soon somebody must know what is sent. */
  readonly priority: Priority | undefined;
}

interface Own {
  readonly open: AttachSnapshot["open"];
  readonly pieces: readonly Piece[];
  readonly chosen: number | undefined;
  readonly size: PictureSize;
  readonly limit: number | undefined;
  readonly busy: boolean;
  readonly full: boolean;
  readonly unmade: boolean;
}

const none: Own = { open: "no", pieces: [], chosen: undefined, size: "normal", limit: undefined, busy: false, full: false, unmade: false };

/** Makes a file of a picture and what was done to it. */
export type Edit = (original: File, marks: readonly Mark[]) => Promise<File>;

/** Files between being chosen and being sent, in one room. Nothing of them is kept before they are sent. */
export class AttachViewModel implements Readable<AttachSnapshot> {
  readonly #app: App;
  readonly #room: RoomId;
  readonly #thread: string | undefined;
  readonly #edit: Edit;
  readonly #own = new Store<Own>(none);
  readonly #derived: Readable<AttachSnapshot>;
  readonly subscribe: (listener: () => void) => () => void;
  #last = 0;

  constructor(app: App, room: RoomId, edit: Edit, thread?: string) {
    this.#app = app;
    this.#room = room;
    this.#thread = thread;
    this.#edit = edit;
    this.#derived = new Derived([this.#own, app.drafts], (own, drafts) => ({
      ...own,
      priority: drafts.get(draftKey(room, thread))?.priority,
      chosen: own.pieces.find((piece) => piece.id === own.chosen) ?? own.pieces[0],
      canSend: !own.busy && own.pieces.length > 0 && own.pieces.every((piece) => piece.ready !== undefined && piece.fault === undefined),
    }));
    this.subscribe = this.#derived.subscribe;
  }

  get snapshot(): AttachSnapshot {
    return this.#derived.snapshot;
  }

  readonly openCamera = (): void => {
    this.#change({ open: "camera" });
  };

  readonly openVoice = (): void => {
    this.#change({ open: "voice", unmade: false });
  };

  /** Goes back to the chosen files, or away when there are none. */
  readonly back = (): void => {
    this.#change({ open: this.#own.snapshot.pieces.length > 0 ? "pieces" : "no" });
  };

  /** Forgets everything chosen. */
  readonly discard = (): void => {
    this.#own.set(none);
  };

  readonly add = async (files: readonly File[], as: Piece["as"] = "media"): Promise<void> => {
    if (files.length === 0) return;
    const fresh = files.map((original): Piece => ({ id: ++this.#last, original, as, caption: "", marks: [], ready: undefined, fault: undefined }));
    this.#own.update((own) => ({ ...own, open: "pieces", pieces: [...own.pieces, ...fresh], chosen: fresh[0]?.id, full: false }));
    const limit = await this.#app.homeserver.uploadLimit();
    this.#change({ limit });
    for (const { id } of fresh) await this.#prepare(id);
  };

  readonly choose = (id: number): void => {
    this.#change({ chosen: id });
  };

  readonly remove = (id: number): void => {
    this.#own.update((own) => {
      const pieces = own.pieces.filter((piece) => piece.id !== id);
      return pieces.length === 0 ? none : { ...own, pieces };
    });
  };

  readonly caption = (id: number, caption: string): void => {
    this.#piece(id, (piece) => ({ ...piece, caption }));
  };

  readonly resize = async (size: PictureSize): Promise<void> => {
    this.#change({ size });
    for (const { id, as } of this.#own.snapshot.pieces) if (as === "media") await this.#prepare(id);
  };

  readonly mark = async (id: number, mark: Mark): Promise<void> => {
    this.#piece(id, (piece) => ({ ...piece, marks: [...piece.marks, mark] }));
    await this.#prepare(id);
  };

  readonly undo = async (id: number): Promise<void> => {
    this.#piece(id, (piece) => ({ ...piece, marks: piece.marks.slice(0, -1) }));
    await this.#prepare(id);
  };

  /** Hands everything to the outbox, in the order it was chosen. */
  readonly send = async (): Promise<void> => {
    const { canSend, pieces } = this.snapshot;
    if (!canSend) return;
    this.#change({ busy: true, full: false });
    for (const { id, ready, caption } of pieces) {
      if (ready === undefined) continue;
      if (!(await this.#enqueue({ ...ready, caption: caption.trim() }))) return;
      this.remove(id);
    }
    this.discard();
    this.#sent();
  };

  readonly sendVoice = async (recording: File, duration: number, waveform: readonly number[]): Promise<void> => {
    this.#change({ busy: true, full: false, unmade: false });
    const voice = await this.#app.homeserver.prepare(recording, { as: "voice", size: "full", caption: "", duration, waveform }).catch(() => undefined);
    if (voice === undefined) this.#change({ busy: false, unmade: true });
    if (voice === undefined || !(await this.#enqueue(voice))) return;
    this.#sent();
    this.#change({ busy: false, open: this.#own.snapshot.pieces.length > 0 ? "pieces" : "no" });
  };

  /** What comes next is marked as nothing and stays as long as all in the room. */
  #sent(): void {
    const { drafts } = this.#app;
    const key = draftKey(this.#room, this.#thread);
    drafts.keep(key, { ...drafts.get(key), priority: undefined, stays: undefined });
  }

  async #enqueue(media: OutgoingMedia): Promise<boolean> {
    try {
      const thread = this.#thread;
      const chosen = choices(this.#app.drafts.get(draftKey(this.#room, thread)));
      await this.#app.outbox.enqueue(this.#room, { ...media, ...(thread === undefined ? {} : { thread }), ...chosen });
      return true;
    } catch {
      this.#change({ busy: false, full: true }); // only the device's own store can refuse
      return false;
    }
  }

  /** Makes what would be sent of a piece. What was asked for meanwhile counts, not what was asked for first. */
  async #prepare(id: number): Promise<void> {
    this.#piece(id, (piece) => ({ ...piece, ready: undefined, fault: undefined }));
    const piece = this.#find(id);
    if (piece === undefined) return;
    const { original, marks, as } = piece;
    const { size, limit } = this.#own.snapshot;
    const stale = (): boolean => this.#find(id)?.marks !== marks || this.#own.snapshot.size !== size;
    try {
      const file = marks.length === 0 ? original : await this.#edit(original, marks);
      const ready = await this.#app.homeserver.prepare(file, { as, size, caption: "" });
      if (!stale()) this.#piece(id, (now) => ({ ...now, ready, fault: limit !== undefined && ready.blob.size > limit ? "tooLarge" : undefined }));
    } catch (fault) {
      if (!(fault instanceof Unfit)) throw fault;
      if (!stale()) this.#piece(id, (now) => ({ ...now, fault: fault.reason }));
    }
  }

  #find(id: number): Piece | undefined {
    return this.#own.snapshot.pieces.find((piece) => piece.id === id);
  }

  #piece(id: number, change: (piece: Piece) => Piece): void {
    this.#own.update((own) => ({ ...own, pieces: own.pieces.map((piece) => (piece.id === id ? change(piece) : piece)) }));
  }

  #change(change: Partial<Own>): void {
    this.#own.update((own) => ({ ...own, ...change }));
  }
}
