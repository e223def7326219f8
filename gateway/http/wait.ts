import { Fault } from "../../core/faults.ts";

/** How long a caller wants to wait, and whether it was asked by `Prefer` (then the answer says `Preference-Applied`). */
export interface Wait {
  seconds: number;
  preferred: boolean;
}

function invalid(field: string, secondsMax: number): Fault {
  return new Fault("PARAMETER_INVALID", `the wait is not valid`, {
    details: [{ field, message: `must be a whole number of seconds from 0 to ${secondsMax}` }],
  });
}

/** The wait asked for by `?wait=N` or `Prefer: wait=N` (RFC 7240); a preference above the maximum is cut to it. */
export function waitOf(query: string | null, prefer: string | null, secondsMax: number): Wait {
  if (query !== null) {
    const seconds = /^\d{1,6}$/.test(query) ? Number(query) : Number.NaN;
    if (!(seconds <= secondsMax)) throw invalid("wait", secondsMax);
    return { seconds, preferred: false };
  }
  const preference =
    prefer === null ? undefined : /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})"?/i.exec(prefer)?.[1];
  if (preference === undefined) return { seconds: 0, preferred: false };
  return { seconds: Math.min(Number(preference), secondsMax), preferred: true };
}
