/** Prints a figure beside its target. */
export function say(figure: number, target: number, unit: string, name: string): void {
  const digits = unit === "ms" ? 0 : 3;
  process.stdout.write(`${figure <= target ? "ok  " : "MISS"} ${figure.toFixed(digits).padStart(8)} ${unit.padEnd(6)} (target ${String(target)})  ${name}\n`);
}

/** The figure below which a part of all figures lies. */
export function quantile(figures: readonly number[], part: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
