import type { ReactNode } from "react";

/** Line drawings on a 24-point grid, 1.75 wide, in the colour of the text around them. */
const shapes = {
  alert: "M12 3.5 21.5 20h-19zM12 9.5v5M12 17.3v.2",
  arrowDown: "M12 5v14M6 13l6 6 6-6",
  back: "M15 5l-7 7 7 7",
  chevronDown: "M6 9.5l6 6 6-6",
  clock: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 7.5V12l3 2",
  close: "M6 6l12 12M18 6 6 18",
  device: "M4.5 5.5h15v10h-15zM9 19.5h6M12 15.5v4",
  download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  edit: "M4 20h4l11-11-4-4L4 16zM13.5 6.5l4 4",
  file: "M6 3.5h8l4.5 4.5v12.5H6zM14 3.5V8h4.5",
  inbox: "M4 13.5 6.5 5h11L20 13.5V19H4zM4 13.5h4.5l1.5 2.5h4l1.5-2.5H20",
  info: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 11v5.5M12 7.7v.2",
  key: "M15.5 4a4.5 4.5 0 1 1-4 6.5L4 18v2.5h3V18h2v-2h2.5l1.5-1.5M16.5 7.5v.1",
  leave: "M10 4.5H5v15h5M14.5 8l4 4-4 4M9.5 12h9",
  lock: "M6 10.5h12v9.5H6zM8.5 10.5V8a3.5 3.5 0 0 1 7 0v2.5",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  offline: "M3 3l18 18M5 11.5a10 10 0 0 1 4-2.3M19 11.5a10 10 0 0 0-6.5-2.8M8.5 15a5 5 0 0 1 7 0M12 18.7v.1",
  people: "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 19.5c.5-3.5 3-5.5 6.5-5.5s6 2 6.5 5.5M15.5 4.8a3.5 3.5 0 0 1 0 6.4M17.5 14.3c2.2.7 3.6 2.5 4 5.2",
  person: "M12 11.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c.5-4 3.3-6.5 7.5-6.5s7 2.5 7.5 6.5",
  picture: "M4 5h16v14H4zM4 16l4.5-4.5L13 16l2.5-2.5L20 18M15.5 9.3v.1",
  plus: "M12 5v14M5 12h14",
  retry: "M19 12a7 7 0 1 1-2.3-5.2L19 9M19 4.5V9h-4.5",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 20 20",
  send: "M4.5 12 3.5 4.5 21 12 3.5 19.5zM4.5 12H12",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4",
  tick: "M5 12.5l4.5 4.5L19 7.5",
  ticks: "M2 12.5l4.5 4.5L16 7.5M10.5 15.5 12 17l9.5-9.5",
  unlock: "M6 10.5h12v9.5H6zM8.5 10.5V8a3.5 3.5 0 0 1 6.7-1.4",
  write: "M5 4.5h14v11.5h-8L6.5 20v-4H5zM12 7.5v5.5M9.2 10.2h5.6",
} as const;

export type IconName = keyof typeof shapes;

/** What points along the line of reading points the other way in a language that runs the other way. */
const pointing: ReadonlySet<IconName> = new Set(["back", "leave", "send", "retry"]);

/** A drawing beside or instead of a word. Always silent: whoever uses it alone gives the words. */
export function Icon({ name, size = 20 }: { readonly name: IconName; readonly size?: number }): ReactNode {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.75" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" data-pointing={pointing.has(name) ? "" : undefined}>
      <path d={shapes[name]} />
    </svg>
  );
}
