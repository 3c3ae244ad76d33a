import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

import type { TimelineSnapshot, TimelineViewModel } from "./TimelineViewModel.ts";

/** How far from the newest message somebody may be and still count as reading it. */
const nearEnd = 80;

/** Where somebody is in a conversation. */
interface Place {
  /** At the newest message, and so to stay there; `going`: asked for, and not there yet. */
  readonly end: boolean | "going";
  /** The message at the top of the screen, and where it ended there. */
  readonly row: HTMLElement | undefined;
  readonly rowEnd: number;
  readonly scrolled: number;
}

/** Does the browser hold by itself what is being read? It also knows of scrolling that this page has not been told of yet. */
const holds = (): boolean => CSS.supports("overflow-anchor", "auto");

export interface Scroll {
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly top: RefObject<HTMLDivElement | null>;
  readonly bottom: RefObject<HTMLDivElement | null>;
  /** Is the newest message off the screen? */
  readonly away: boolean;
  /** Has the mark of what is unread been on the screen, or is it below? */
  readonly unreadSeen: boolean;
  readonly onScroll: () => void;
  readonly toEnd: () => void;
}

/**
 * Keeps a conversation's place: at the newest message as long as one is there, and elsewhere at what is being read,
 * whatever comes and goes around it.
 */
export function useScroll(now: TimelineSnapshot, model: TimelineViewModel): Scroll {
  const scroller = useRef<HTMLDivElement>(null);
  const top = useRef<HTMLDivElement>(null);
  const bottom = useRef<HTMLDivElement>(null);
  const place = useRef<Place>(newest);
  const [away, setAway] = useState(false);
  const [unreadSeen, setUnreadSeen] = useState(false);
  const { rows, history, newer, target } = now;
  /** Is the last row the newest message? Otherwise its end is not where anybody stays. */
  const live = useRef(false);

  // Before anything is painted. Scrolling is told later than it happens, and on a busy device rows come in between.
  const hold = useCallback(() => {
    const box = scroller.current;
    if (box === null) return;
    const { end, row, rowEnd, scrolled } = place.current;
    if (end === "going" || (end && live.current && !left(box, place.current))) box.scrollTop = box.scrollHeight;
    else if (row?.isConnected === true && !(holds() && box.scrollTop > 0)) {
      const moved = endOf(row, box) - rowEnd + (box.scrollTop - scrolled);
      if (Math.abs(moved) >= 1) box.scrollTop += moved;
    }
    if (end !== "going" || live.current) place.current = placeIn(box, live.current);
  }, []);

  const look = useCallback(() => {
    const box = scroller.current;
    if (box === null) return;
    const { end } = place.current;
    if (end === true && live.current && !atEnd(box) && !left(box, place.current)) hold();
    else if (end !== "going" || live.current || !atEnd(box)) place.current = placeIn(box, live.current);
    const stays = place.current.end !== false;
    setAway(!stays);
    model.follow(stays);
    if (showsUnread(box)) setUnreadSeen(true);
  }, [model, hold]);

  useLayoutEffect(() => {
    live.current = newer === "live";
    hold();
  }, [hold, rows, newer]);
  // Where everything has room nobody needs to scroll.
  useLayoutEffect(() => {
    if (scroller.current !== null && showsUnread(scroller.current)) setUnreadSeen(true);
  }, [rows]);
  useEffect(() => {
    const box = scroller.current;
    const column = box?.firstElementChild;
    if (box === null || column === null || column === undefined) return;
    const watch = new ResizeObserver(hold);
    watch.observe(box);
    watch.observe(column);
    return () => {
      watch.disconnect();
    };
  }, [hold]);

  useLayoutEffect(() => {
    const box = scroller.current;
    const row = box === null || target === undefined ? undefined : rowOf(box, target.key);
    if (box === null || row === undefined) return;
    row.scrollIntoView({ block: target?.mark === true ? "center" : "start" });
    row.querySelector<HTMLElement>("article")?.focus({ preventScroll: true });
    place.current = { ...newest, end: false };
    look();
  }, [target, look]);

  // What one has just written is looked at.
  const last = rows.at(-1);
  const sending = last?.kind === "message" && last.item === undefined ? last.key : undefined;
  useLayoutEffect(() => {
    if (sending === undefined) return;
    place.current = newest;
    hold();
  }, [sending, hold]);

  useReach(top, scroller, history === "more", now, model.loadOlder);
  useReach(bottom, scroller, newer === "more", now, model.loadNewer);

  const toEnd = (): void => {
    place.current = newest;
    model.toNewest();
    hold();
  };
  return { scroller, top, bottom, away: away || newer !== "live", unreadSeen, onScroll: look, toEnd };
}

/** Calls whenever an end of what is loaded comes near, and again with everything new as long as it is near and there is more. */
function useReach(end: RefObject<HTMLDivElement | null>, scroller: RefObject<HTMLDivElement | null>, more: boolean, now: TimelineSnapshot, load: () => Promise<void>): void {
  useEffect(() => {
    if (end.current === null || !more) return;
    const watch = new IntersectionObserver(
      (entries) => {
        if (entries.at(-1)?.isIntersecting === true) void load(); // several come at once when the device is busy
      },
      { root: scroller.current, rootMargin: "800px 0px" },
    );
    watch.observe(end.current);
    return () => {
      watch.disconnect();
    };
  }, [end, scroller, more, now, load]);
}

function showsUnread(box: HTMLElement): boolean {
  const mark = rowOf(box, "unread");
  return mark !== undefined && mark.getBoundingClientRect().top >= box.getBoundingClientRect().top - 4;
}

function rowOf(box: HTMLElement, key: string): HTMLElement | undefined {
  return box.querySelector<HTMLElement>(`[data-row="${CSS.escape(key)}"]`) ?? undefined;
}

function endOf(row: HTMLElement, box: HTMLElement): number {
  return row.getBoundingClientRect().bottom - box.getBoundingClientRect().top;
}

function atEnd(box: HTMLElement): boolean {
  return box.scrollHeight - box.clientHeight - box.scrollTop <= nearEnd;
}

/**
 * Has somebody scrolled away from the newest message, rather than rows having come or gone? Only a person moves what is
 * being read downwards: when something above it goes, the browser scrolls up so that it stays where it is.
 */
function left(box: HTMLElement, { row, rowEnd, scrolled }: Place): boolean {
  return box.scrollTop < scrolled - 1 && !atEnd(box) && row?.isConnected === true && endOf(row, box) - rowEnd > 2;
}

/** Where one is to begin with. */
const newest: Place = { end: "going", row: undefined, rowEnd: 0, scrolled: 0 };

/** The first message whose end is on the screen is found by halves. Days and marks are no hold: they move when older messages come. */
function placeIn(box: HTMLElement, live: boolean): Place {
  const rows = box.querySelectorAll<HTMLElement>("[data-row]:has(> article)");
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = rows[middle];
    if (row !== undefined && endOf(row, box) > 0) high = middle;
    else low = middle + 1;
  }
  const row = rows[low];
  return { end: live && atEnd(box), row, rowEnd: row === undefined ? 0 : endOf(row, box), scrolled: box.scrollTop };
}
