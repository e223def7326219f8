/** A linear or logarithmic map from values to pixels, with round ticks. */
export interface Scale {
  at: (value: number) => number;
  ticks: number[];
}

const STEPS = [1, 2, 2.5, 5, 10];

/** The smallest round step that cuts the range into at most `count` parts. */
function roundStep(range: number, count: number): number {
  const rough = range / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return (STEPS.find((step) => step * power >= rough) ?? 10) * power;
}

export function linearScale(min: number, max: number, from: number, to: number): Scale {
  const step = roundStep(Math.max(max - min, 1e-9), 5);
  const end = Math.ceil(max / step) * step;
  const ticks: number[] = [];
  for (let tick = Math.ceil(min / step) * step; tick <= end + step / 1_000; tick += step)
    ticks.push(Number(tick.toPrecision(12)));
  const span = Math.max(end - min, 1e-9);
  return { ticks, at: (value) => from + ((value - min) / span) * (to - from) };
}

/** Ticks at 1, 2, 5 of each power of ten, fewer over many powers. */
export function logScale(min: number, max: number, from: number, to: number): Scale {
  const low = Math.log10(Math.max(min, 1e-3));
  const high = Math.max(low + 0.3, Math.log10(Math.max(max, 1e-3)));
  const factors = high - low > 3 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power += 1) {
    for (const factor of factors) {
      const tick = factor * 10 ** power;
      if (Math.log10(tick) >= low - 1e-9 && Math.log10(tick) <= high + 1e-9) ticks.push(tick);
    }
  }
  return {
    ticks,
    at: (value) => from + ((Math.log10(Math.max(value, 1e-3)) - low) / (high - low)) * (to - from),
  };
}
