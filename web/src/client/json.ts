// JSON that somebody else wrote: every field may be missing or of another type.

export type Content = Readonly<Record<string, unknown>>;

export function string(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function record(value: unknown): Content {
  return typeof value === "object" && value !== null ? (value as Content) : {};
}
