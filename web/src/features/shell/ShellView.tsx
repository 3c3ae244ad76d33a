import { type ReactNode } from "react";
export function ShellView(): ReactNode { return <main />; }
