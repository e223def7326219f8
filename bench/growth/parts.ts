/** How a long filling is cut. */
export interface Filling {
  /** From this one to before that one. */
  from?: number;
  to: number;
  /** Told every tenth of the way. */
  say: (share: string) => void;
}

interface Parts {
  /** Of one statement or round. */
  size: number;
  /** Parts under way at once. */
  lanes?: number;
  /** After this long no further part is begun. */
  limitMs?: number;
}

/** Calls `act` for every part, [first, end), of a filling. */
export async function inParts(
  { from = 0, to, say }: Filling,
  { size, lanes = 1, limitMs = Number.POSITIVE_INFINITY }: Parts,
  act: (first: number, end: number) => Promise<unknown>,
): Promise<void> {
  const startedAt = performance.now();
  let next = from;
  let done = 0;
  let told = 0;
  async function work(): Promise<void> {
    while (next < to && performance.now() - startedAt < limitMs) {
      const first = next;
      const end = Math.min(to, first + size);
      next = end;
      await act(first, end);
      done += end - first;
      const tenth = Math.floor((done / (to - from)) * 10);
      if (tenth <= told || tenth >= 10) continue;
      told = tenth;
      say(`${tenth * 10} %`);
    }
  }
  await Promise.all(Array.from({ length: lanes }, work));
}
