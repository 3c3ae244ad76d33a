import { createElement, type ReactNode, useMemo, useState } from "react";

import { useWords } from "../../i18n/words.tsx";
import { placeOf } from "../../store/Route.ts";
import { Link } from "../Link.tsx";
import styles from "./RichText.module.css";
import { isFewEmoji, linkify, personOfLink, safeAddress, safeHtml } from "./safeHtml.ts";

export interface TextProps {
  readonly text: string;
  readonly html: string | undefined;
  /** Oneself, to make one's own name stand out. */
  readonly me: string | undefined;
}

/** The text of a message, formatted as far as its writer's HTML can be trusted. */
export function RichText({ text, html, me }: TextProps): ReactNode {
  const shown = useMemo(() => (html === undefined ? undefined : nodes(safeHtml(html), { me, depth: 0 })), [html, me]);
  if (shown !== undefined) return <div className={styles["rich"]}>{shown}</div>;
  return (
    <p className={isFewEmoji(text) ? styles["large"] : styles["text"]} dir="auto">
      <PlainText text={text} />
    </p>
  );
}

export function PlainText({ text }: { readonly text: string }): ReactNode {
  const pieces = useMemo(() => linkify(text), [text]);
  return pieces.map((piece, i) => (piece.href === undefined ? piece.text : <Address key={i} href={piece.href}>{piece.text}</Address>));
}

interface Where {
  readonly me: string | undefined;
  readonly depth: number;
}

/** Deeper than this nothing is drawn ("implementations should limit nesting"). */
const deepest = 30;
/** Elements that are a block of text by themselves, each running its own way. */
const blocks = new Set(["p", "li", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "td", "th", "div", "caption"]);

function nodes(parent: Node, where: Where): ReactNode[] {
  if (where.depth > deepest) return [];
  return [...parent.childNodes].map((node, i) => {
    if (node.nodeType === Node.TEXT_NODE) return node.textContent;
    return node instanceof Element ? element(node, i, { ...where, depth: where.depth + 1 }) : null;
  });
}

function element(node: Element, key: number, where: Where): ReactNode {
  const tag = node.tagName.toLowerCase();
  const inside = nodes(node, where);
  switch (tag) {
    case "br":
    case "hr":
      return createElement(tag, { key });
    case "a":
      return anchor(node, key, inside, where);
    case "span":
      return node.hasAttribute("data-mx-spoiler") ? <Spoiler key={key}>{inside}</Spoiler> : <span key={key}>{inside}</span>;
    case "pre":
      return (
        <pre key={key} dir="ltr" tabIndex={0}>
          {inside}
        </pre>
      );
    case "code":
      return (
        <code key={key} dir="ltr">
          {inside}
        </code>
      );
    case "table":
      return (
        <div key={key} className={styles["table"]} tabIndex={0}>
          <table>{inside}</table>
        </div>
      );
    case "ol": {
      const start = Number(node.getAttribute("start") ?? 1);
      return createElement(tag, { key, start: Number.isInteger(start) ? start : 1 }, ...inside);
    }
    case "h1":
    case "h2":
    case "h3":
    case "h4":
    case "h5":
    case "h6":
      // A heading of the message is none of the page.
      return (
        <p key={key} className={styles["heading"]} dir="auto">
          {inside}
        </p>
      );
    default:
      return createElement(tag, blocks.has(tag) ? { key, dir: "auto" } : { key }, ...inside);
  }
}

function anchor(node: Element, key: number, inside: ReactNode[], where: Where): ReactNode {
  const href = node.getAttribute("href") ?? "";
  const person = personOfLink(href);
  if (person !== undefined) {
    return (
      <bdi key={key} className={styles["pill"]} data-me={person === where.me}>
        {inside}
      </bdi>
    );
  }
  const safe = safeAddress(href);
  if (safe === undefined) return <span key={key}>{inside}</span>;
  return (
    <Address key={key} href={safe}>
      {inside}
    </Address>
  );
}

/** A link: to a message of ours inside the app, to everything else without telling where it was pressed. */
function Address({ href, children }: { readonly href: string; readonly children: ReactNode }): ReactNode {
  const url = new URL(href);
  const place = url.origin === location.origin ? placeOf(url.pathname) : undefined;
  if (place?.at === "room") return <Link to={place}>{children}</Link>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

/** Text that is shown only on demand. */
function Spoiler({ children }: { readonly children: ReactNode }): ReactNode {
  const { t } = useWords();
  const [open, setOpen] = useState(false);
  if (open) return <span className={styles["open"]}>{children}</span>;
  return (
    <button
      type="button"
      className={styles["spoiler"]}
      onClick={() => {
        setOpen(true);
      }}
    >
      {t("message.spoiler")}
    </button>
  );
}
