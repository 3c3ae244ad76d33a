// Loudness over time, as voice messages carry it: whole numbers from 0 to 1024 (MSC1767).

const loudest = 1024;

/** As many numbers as asked for from as many as there are, each the loudest of its stretch, the loudest of all at 1024. */
export function waveformOf(levels: readonly number[], count: number): readonly number[] {
  const peaks = stretch(levels, count);
  const top = Math.max(...peaks, 0);
  return peaks.map((peak) => (top <= 0 ? 0 : Math.round((Math.max(0, peak) / top) * loudest)));
}

/** Heights from 0 to 1 to draw; a line of low ones for a sound that tells nothing of itself. */
export function barsOf(waveform: readonly number[], count: number): readonly number[] {
  if (waveform.length === 0) return Array.from({ length: count }, () => 0);
  return stretch(waveform, count).map((level) => Math.min(1, level / loudest));
}

/** Divides a row of numbers into `count` stretches and takes the largest of each. */
function stretch(values: readonly number[], count: number): number[] {
  if (values.length === 0) return [];
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor((i * values.length) / count);
    const to = Math.max(from + 1, Math.floor(((i + 1) * values.length) / count));
    return Math.max(...values.slice(from, to));
  });
}

/** How loud a stretch of sound is, from 0 to 1: the root of its mean square, raised so that quiet speech shows. */
export function loudness(samples: Float32Array): number {
  if (samples.length === 0) return 0;
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  return Math.min(1, Math.sqrt(power) * 3);
}
