// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";

import { Button, IconButton } from "./Button.tsx";

afterEach(cleanup);

it("keeps the focus while it cannot be pressed, and does nothing then", () => {
  const pressed: string[] = [];
  const shown = (busy: boolean): React.ReactNode => (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        pressed.push("form");
      }}
    >
      <Button type="submit" disabled={busy}>
        Save
      </Button>
      <IconButton icon="close" label="Close" disabled={busy} onClick={() => pressed.push("close")} />
    </form>
  );
  const { rerender } = render(shown(false));
  const [save, close] = ["Save", "Close"].map((name) => screen.getByRole("button", { name }));
  save?.focus();
  const press = (): void => {
    for (const button of [save, close]) if (button !== undefined) fireEvent.click(button);
  };
  press();
  rerender(shown(true));
  press();
  expect([pressed, save?.getAttribute("aria-disabled"), document.activeElement]).toEqual([["form", "close"], "true", save]);
  rerender(shown(false));
  press();
  expect([pressed.length, save?.getAttribute("aria-disabled")]).toEqual([4, null]);
});
