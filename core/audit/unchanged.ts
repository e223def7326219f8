import { type Difference, isWindowDifference, type UserDifference } from "./difference.ts";

/**
 * The differences of one user that two consecutive readings both show. Redis and PostgreSQL cannot be read at
 * one instant, so a request on its way looks like a difference; one that persists is real.
 *
 * A sum counts only when both readings show the same requests on their way: while requests end and others
 * take their place, two readings can be off by the same amount for different requests.
 */
export function unchangedOfUser(
  before: readonly UserDifference[],
  after: readonly UserDifference[],
): UserDifference[] {
  const isSameMotion = motionOf(before) === motionOf(after);
  return unchanged(before, after).filter(
    (difference) => isSameMotion || !isWindowDifference(difference),
  );
}

/** The differences of `after` that `before` shows as well. */
export function unchanged<Kind extends Difference>(
  before: readonly Kind[],
  after: readonly Kind[],
): Kind[] {
  const seen = new Set(before.map(keyOf));
  return after.filter((difference) => seen.has(keyOf(difference)));
}

function motionOf(differences: readonly UserDifference[]): string {
  return differences
    .filter((difference) => !isWindowDifference(difference))
    .map(keyOf)
    .sort()
    .join("\n");
}

/** Of a sum only the distance matters: both sides of a busy user's window grow between two readings. */
function keyOf(difference: Difference): string {
  if (!isWindowDifference(difference)) return JSON.stringify(difference);
  const { kind, userId, windowId, unit, redis, postgres } = difference;
  return JSON.stringify([kind, userId, windowId, unit, redis - postgres]);
}
