import type { Memory } from "../store/Preferences.ts";
import type { Store } from "../store/Store.ts";
import type { Demo, DemoPerson } from "../store/model.ts";
import { json } from "./wire.ts";

/** Where the browser remembers that its server is a demo, so that there is room for saying so before the server is asked. */
const memoryName = "myelin.demo";
const pause = 1_000;

/** The demo hospital as it was last time, its people still unknown. */
export function rememberedDemo(memory: Memory): Demo | undefined {
  const hospital = memory.getItem(memoryName) ?? "";
  return hospital === "" ? undefined : { hospital, people: [] };
}

/** Asks whether the server is a demo. A hospital that is still being made has nobody in it yet. */
export async function findDemo(demo: Store<Demo | undefined>, memory: Memory): Promise<void> {
  for (;;) {
    const found = await ask();
    if (found === "unreachable") return;
    demo.set(found);
    memory.setItem(memoryName, found?.hospital ?? "");
    if (found?.people.length !== 0) return;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function ask(): Promise<Demo | undefined | "unreachable"> {
  try {
    const response = await fetch("/_myelin/v1/demo");
    if (!response.ok) return response.status >= 500 ? "unreachable" : undefined;
    const { hospital, people } = await json(response);
    if (typeof hospital !== "string" || !Array.isArray(people)) return undefined;
    return { hospital, people: people.filter(isDemoPerson) };
  } catch {
    return "unreachable";
  }
}

function isDemoPerson(value: unknown): value is DemoPerson {
  const fields = ["user", "name", "role", "department", "password"];
  return typeof value === "object" && value !== null && fields.every((field) => typeof Reflect.get(value, field) === "string");
}
