/** What comes in, as means over the busiest minutes that must be kept up with. */
export interface Traffic {
  requestsPerSecond: number;
  promptTokens: number;
  /** Tokens that the model really writes, over all choices. */
  outputTokens: number;
  /** Cap on output tokens that callers name: with the prompt it is the estimate. */
  outputTokensCap: number;
  /** Share of attempts that fail and are made again, 0 to below 1. */
  failedShare: number;
}

/** One replica of the ML service, measured at the concurrency named here. */
export interface ModelSpeed {
  firstTokenMs: number;
  /** Output tokens per second of one stream while all slots are busy. */
  tokensPerSecond: number;
  /** Sequences that a replica works on at once; more only queue inside it. */
  slots: number;
}

export interface Pools {
  /**
   * Attempts of this model that one worker has under way at once, whatever it has of others: worker.actors or
   * concurrency_max, whichever is less.
   */
  attemptsPerWorker: number;
  attemptsMax: number;
  /** Accepts per second that one gateway is to take: the threshold of its scaled object. */
  acceptsPerGateway: number;
  /**
   * Share of a pool that may be busy in the mean, above 0 and at most 1; the rest is for bursts and for what
   * fails.
   */
  utilisation: number;
  gatewaysMin: number;
  gatewaysMax: number;
  workersMax: number;
  mlReplicasMax: number;
}

export interface CapacityPlan {
  attemptSeconds: number;
  attemptsPerRequest: number;
  /** Attempts under way at once in the mean (Little's law). */
  concurrency: number;
  tokensPerMinute: number;
  /** Replicas needed, before any bound. */
  gateways: number;
  workers: number;
  mlReplicas: number;
  /** Pools whose need is above their bound: these are what limits. */
  beyondBounds: ("gateways" | "workers" | "ml")[];
  /** What one replica carries with every slot busy. */
  perMlReplica: { requestsPerSecond: number; tokensPerMinute: number };
  /** Thresholds for the scaled objects that follow from the same figures. */
  thresholds: {
    /** Messages in the queues of the models. */
    workerQueueLength: number;
    workerTokensRunnable: number;
    workerTokensPerMinute: number;
    mlRequestsRunnable: number;
    mlTokensPerMinute: number;
  };
}

/**
 * Attempts that a request takes in the mean when each fails independently with `failedShare` and at most
 * `attemptsMax` are made.
 */
export function attemptsPerRequest(failedShare: number, attemptsMax: number): number {
  if (failedShare === 0) return 1;
  return (1 - failedShare ** attemptsMax) / (1 - failedShare);
}

/** A model server loads for minutes: for less work than this another replica would come too late. */
const ML_BACKLOG_SECONDS = 300;

/** Bounds a need from below: work at all needs one. */
const replicas = (need: number): number => Math.max(1, Math.ceil(need));

/**
 * How much of everything a traffic needs. It uses only means and Little's law (concurrency = rate x
 * duration), which apply to any distribution of arrivals and sizes; `utilisation` leaves room for bursts. It
 * says nothing about waiting times in between: those depend on the distributions, which nobody has given.
 */
export function planCapacity(traffic: Traffic, speed: ModelSpeed, pools: Pools): CapacityPlan {
  const attemptSeconds = speed.firstTokenMs / 1_000 + traffic.outputTokens / speed.tokensPerSecond;
  const attempts = attemptsPerRequest(traffic.failedShare, pools.attemptsMax);
  const concurrency = traffic.requestsPerSecond * attempts * attemptSeconds;
  const requestTokens = traffic.promptTokens + traffic.outputTokens;
  const perReplicaRate = speed.slots / (attemptSeconds * attempts);
  const mlTokensPerMinute = perReplicaRate * requestTokens * 60;
  const gateways = Math.max(
    pools.gatewaysMin,
    replicas(traffic.requestsPerSecond / pools.acceptsPerGateway),
  );
  const workers = replicas(concurrency / (pools.attemptsPerWorker * pools.utilisation));
  const mlReplicas = replicas(concurrency / (speed.slots * pools.utilisation));
  const beyond = {
    gateways: gateways > pools.gatewaysMax,
    workers: workers > pools.workersMax,
    ml: mlReplicas > pools.mlReplicasMax,
  };
  const workerRate = pools.attemptsPerWorker / (attemptSeconds * attempts);
  return {
    attemptSeconds,
    attemptsPerRequest: attempts,
    concurrency,
    tokensPerMinute: traffic.requestsPerSecond * requestTokens * 60,
    gateways,
    workers,
    mlReplicas,
    beyondBounds: (["gateways", "workers", "ml"] as const).filter((pool) => beyond[pool]),
    perMlReplica: { requestsPerSecond: perReplicaRate, tokensPerMinute: mlTokensPerMinute },
    thresholds: {
      workerQueueLength: pools.attemptsPerWorker,
      workerTokensRunnable:
        pools.attemptsPerWorker * (traffic.promptTokens + traffic.outputTokensCap),
      workerTokensPerMinute: Math.round(workerRate * requestTokens * 60 * pools.utilisation),
      mlRequestsRunnable: Math.ceil(perReplicaRate * ML_BACKLOG_SECONDS),
      mlTokensPerMinute: Math.round(mlTokensPerMinute * pools.utilisation),
    },
  };
}
