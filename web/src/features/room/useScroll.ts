import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

import type { TimelineSnapshot, TimelineViewModel } from "./TimelineViewModel.ts";

/** How far from the newest message somebody may be and still count as reading it. */
const nearEnd = 80;

/** What is at the top of the screen, so that it can stay there whatever comes and goes around it. */
interface Anchor {
  readonly key: string;
  readonly top: number;
}

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
 * Keeps a conversation's place. The scroller runs from its end (column-reverse), so that it stays at the newest message
 * by itself; away from there the row at the top of the screen is held where it is while rows come and go.
 */
export function useScroll(now: TimelineSnapshot, model: TimelineViewModel): Scroll {
  const scroller = useRef<HTMLDivElement>(null);
  const top = useRef<HTMLDivElement>(null);
  const bottom = useRef<HTMLDivElement>(null);
  const anchor = useRef<Anchor>(undefined);
  const [away, setAway] = useState(false);
  const [unreadSeen, setUnreadSeen] = useState(false);
  const { rows, history, newer, target } = now;

  const look = useCallback(() => {
    const box = scroller.current;
    if (box === null) return;
    anchor.current = anchorIn(box);
    const atEnd = box.scrollTop >= -nearEnd;
    setAway(!atEnd);
    model.follow(atEnd);
    const mark = rowOf(box, "unread");
    if (mark !== undefined && mark.getBoundingClientRect().top >= box.getBoundingClientRect().top - 4) setUnreadSeen(true);
  }, [model]);

  // Before anything is painted, what was at the top of the screen is put back there.
  const hold = useCallback(() => {
    const box = scroller.current;
    const at = anchor.current;
    if (box === null || at === undefined || box.scrollTop >= -1) return;
    const row = rowOf(box, at.key);
    if (row === undefined) return;
    const moved = row.getBoundingClientRect().top - box.getBoundingClientRect().top - at.top;
    if (Math.abs(moved) >= 1) box.scrollTop += moved;
  }, []);
  useLayoutEffect(hold, [hold, rows]);
  useEffect(() => {
    const column = scroller.current?.firstElementChild;
    if (column === null || column === undefined) return;
    const watch = new ResizeObserver(hold);
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
    look();
  }, [target, look]);

  // What one has just written is looked at.
  const last = rows.at(-1);
  const sending = last?.kind === "message" && last.item === undefined ? last.key : undefined;
  useLayoutEffect(() => {
    if (sending !== undefined) scroller.current?.scrollTo({ top: 0 });
  }, [sending]);

  useReach(top, scroller, history === "more", rows, model.loadOlder);
  useReach(bottom, scroller, newer === "more", rows, model.loadNewer);

  const toEnd = (): void => {
    anchor.current = undefined;
    model.toNewest();
    scroller.current?.scrollTo({ top: 0 });
  };
  return { scroller, top, bottom, away: away || newer === "more", unreadSeen, onScroll: look, toEnd };
}

/** Calls again whenever an end of what is loaded comes near, as long as there is more. */
function useReach(end: RefObject<HTMLDivElement | null>, scroller: RefObject<HTMLDivElement | null>, more: boolean, rows: unknown, load: () => Promise<void>): void {
  useEffect(() => {
    if (end.current === null || !more) return;
    const watch = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting === true) void load();
      },
      { root: scroller.current, rootMargin: "800px 0px" },
    );
    watch.observe(end.current);
    return () => {
      watch.disconnect();
    };
  }, [end, scroller, more, rows, load]);
}

function rowOf(box: HTMLElement, key: string): HTMLElement | undefined {
  return box.querySelector<HTMLElement>(`[data-row="${CSS.escape(key)}"]`) ?? undefined;
}

/** The first row whose end is on the screen, found by halves. */
function anchorIn(box: HTMLElement): Anchor | undefined {
  const rows = box.querySelectorAll<HTMLElement>("[data-row]");
  const { top } = box.getBoundingClientRect();
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.getBoundingClientRect().bottom ?? 0) > top) high = middle;
    else low = middle + 1;
  }
  const row = rows[low];
  return row === undefined ? undefined : { key: row.dataset["row"] ?? "", top: row.getBoundingClientRect().top - top };
}
