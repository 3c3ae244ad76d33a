import type { ReactNode } from "react";

import styles from "./Avatar.module.css";

export interface AvatarProps {
  /** Decides the tint; the same everywhere for the same id. */
  readonly id: string;
  readonly name: string;
  readonly size?: "small" | "medium" | "large";
  /** A group is drawn as a rounded square, a person as a circle. */
  readonly group?: boolean;
  /** Where a picture can be drawn from, once it is there. */
  readonly picture?: string | undefined;
}

/** A picture, or initials on a tint. The name always stands beside it, so it is silent to screen readers. */
export function Avatar({ id, name, size = "medium", group = false, picture }: AvatarProps): ReactNode {
  const shape = group ? styles["group"] : styles["person"];
  return (
    <span aria-hidden="true" className={`${styles["avatar"] ?? ""} ${styles[size] ?? ""} ${shape ?? ""}`} data-tint={tintOf(id)}>
      {picture === undefined ? initialsOf(name) : <img src={picture} alt="" />}
    </span>
  );
}

/** One of eight tints. */
export function tintOf(id: string): number {
  let hash = 2166136261;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 16777619);
  hash = Math.imul(hash ^ (hash >>> 15), 2246822519); // the low bits alone are much alike for ids of one server
  return (hash ^ (hash >>> 13)) >>> 29;
}

const titles = /^(dr|prof|mr|mrs|ms|sr|pd)\.?$/i;

/** First letters of the first and the last name, without titles. */
export function initialsOf(name: string): string {
  const parts = name.split(/[\s,()]+/).filter((part) => /\p{L}|\p{N}/u.test(part));
  const names = parts.filter((part) => !titles.test(part));
  const used = names.length > 0 ? names : parts;
  const first = firstLetter(used[0] ?? "");
  const last = used.length > 1 ? firstLetter(used.at(-1) ?? "") : "";
  return (first + last).toLocaleUpperCase();
}

function firstLetter(word: string): string {
  return /[\p{L}\p{N}]/u.exec(word)?.[0] ?? "";
}
