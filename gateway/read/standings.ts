import type { AttemptHints } from "../../core/attempt/start.ts";
import { type OwnPlace, whyWaiting } from "../../core/queue/waiting.ts";
import { tierOf } from "../../core/quota/limits.ts";
import type { RequestRef, StoredRequest } from "../../core/request/stored-request.ts";
import type { GatewayPorts } from "../ports.ts";
import type { ModelWatch } from "./model-watch.ts";
import type { Standing } from "./request-view.ts";

/** A request as its owner names it. */
export interface OwnRef extends RequestRef {
  /** The owner's tier; null: the default one. */
  tier: string | null;
}

/** Says how requests stand that have not ended, from what is known already. */
export interface Standings {
  /** Whether a request may be parked, so that it is worth asking for its place. */
  mayBeParked: (model: string) => boolean;
  standingOf: (
    request: Pick<StoredRequest, "userId" | "model" | "attempts">,
    tier: string | null,
    hints: AttemptHints,
    place: OwnPlace | undefined,
  ) => Standing;
}

export function createStandings(
  ports: Pick<GatewayPorts, "config" | "now">,
  models: Pick<ModelWatch, "factsOf">,
): Standings {
  return {
    mayBeParked: (model) => {
      const { lane } = models.factsOf(model);
      // Counted now and then, a few seconds old; somebody who waits is known sooner.
      return lane === undefined || lane.mode === "parked" || lane.users > 0 || lane.parked > 0;
    },
    standingOf: ({ userId, model, attempts }, tier, hints, place) => {
      const { started, delayedUntilMs, attemptsMade, lastError } = hints;
      const known = { lastError: lastError ?? place?.lastError ?? null };
      if (started !== undefined) {
        const { attempt, startedAtMs } = started;
        return { ...known, waiting: null, attempts: attempt, startedAtMs, nextAttemptAtMs: null };
      }
      const { tiers, default_tier: defaultTier } = ports.config();
      const delayMs = Math.max(0, delayedUntilMs - ports.now());
      const queued = {
        userId,
        weight: tierOf(tier, tiers, defaultTier).weight,
        place,
        delayMs,
      };
      return {
        ...known,
        waiting: whyWaiting(models.factsOf(model), queued),
        attempts: Math.max(attempts, attemptsMade, place?.attemptsMade ?? 0),
        startedAtMs: hints.lastStartedAtMs === 0 ? null : hints.lastStartedAtMs,
        nextAttemptAtMs: delayMs > 0 ? delayedUntilMs : null,
      };
    },
  };
}
