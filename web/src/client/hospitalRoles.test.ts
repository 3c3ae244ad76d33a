import { MatrixClient } from "matrix-js-sdk";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { HospitalRoles } from "./hospitalRoles.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Roles at a server that answers about people by their id, and whom it was asked about. */
function rolesFrom(answer: (id: string) => Response | Promise<Response>): { roles: HospitalRoles; asked: string[] } {
  const asked: string[] = [];
  const fetchFn = (url: unknown): Promise<Response> => {
    const id = decodeURIComponent(String(url).split("/profile/")[1] ?? "");
    asked.push(id);
    return Promise.resolve(answer(id));
  };
  return { roles: new HospitalRoles(new MatrixClient({ baseUrl: "http://here", fetchFn })), asked };
}

const json = (status: number, body: object): Response => new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
const person = (id: string) => ({ id, name: id });

it("asks about each person once, and names them with what they are", async () => {
  const { roles, asked } = rolesFrom((id) => json(200, id === "@a:x" ? { "org.myelin.role": "Charge nurse" } : {}));
  for (let i = 0; i < 3; i++) {
    for (const id of ["@a:x", "@b:x"]) roles.withRole(person(id));
    await vi.runAllTimersAsync();
  }
  expect(asked).toEqual(["@a:x", "@b:x"]);
  expect(["@a:x", "@b:x"].map((id) => roles.withRole(person(id)).role)).toEqual(["Charge nurse", undefined]);
});

it.each([403, 404, 400])("does not ask again about somebody whom the server answers with %i", async (status) => {
  const { roles, asked } = rolesFrom(() => json(status, { errcode: "M_FORBIDDEN", error: "no" }));
  for (let i = 0; i < 5; i++) {
    roles.withRole(person("@a:x"));
    await vi.advanceTimersByTimeAsync(600_000);
  }
  expect(asked).toHaveLength(1);
});

it("asks more and more seldom while the server is away, and about a few at a time", async () => {
  let away = true;
  const { roles, asked } = rolesFrom((id) => (away ? json(503, {}) : json(200, { "org.myelin.role": `role of ${id}` })));
  const people = Array.from({ length: 50 }, (_, i) => person(`@${String(i)}:x`));
  for (let minute = 0; minute < 60; minute++) {
    for (const one of people) roles.withRole(one);
    await vi.advanceTimersByTimeAsync(60_000);
  }
  expect(asked.length).toBeLessThan(100);
  away = false;
  await vi.advanceTimersByTimeAsync(300_000);
  expect(people.map((one) => roles.withRole(one).role)).toEqual(people.map(({ id }) => `role of ${id}`));
});
