import type { AnchorHTMLAttributes, MouseEvent, ReactNode } from "react";

import { pathOf, type Place } from "../store/Route.ts";
import { useApp } from "./context.ts";

export interface LinkProps extends Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href"> {
  readonly to: Place;
}

/** A link inside the app: a plain press stays in the page, everything else is the browser's. */
export function Link({ to, children, ...rest }: LinkProps): ReactNode {
  const { route } = useApp();
  const press = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    route.go(to);
  };
  return (
    <a href={pathOf(to)} onClick={press} {...rest}>
      {children}
    </a>
  );
}
