/** A series of numbers that only grows. Labels are given in the order of the spec. */
export interface Counter {
  add: (amount: number, ...labels: string[]) => void;
}
export interface Gauge {
  set: (value: number, ...labels: string[]) => void;
}
export interface Histogram {
  observe: (value: number, ...labels: string[]) => void;
}

export type MetricRole = "gateway" | "worker" | "collector";

export interface MetricSpec {
  type: "counter" | "gauge" | "histogram";
  help: string;
  labels: readonly string[];
  /** Which processes export it. */
  roles: readonly MetricRole[];
  /** Upper bounds of a histogram's buckets, in the unit of the name. */
  buckets?: readonly number[];
}

const ACCEPT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 60] as const;
const INFERENCE_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;

/**
 * Every metric of the system, in one place: base units, few labels, no user ids. `docs/metrics.md` lists the
 * same names; a test compares the two. What scales workers from zero comes from roles that are always on.
 */
export const METRICS = {
  ml_tokens_processed_total: {
    type: "counter",
    help: "Tokens settled, counted once per request",
    labels: ["model", "kind"],
    roles: ["collector"],
  },
  gateway_requests_total: {
    type: "counter",
    help: "HTTP calls answered",
    labels: ["route", "code", "fault_domain"],
    roles: ["gateway"],
  },
  gateway_request_duration_seconds: {
    type: "histogram",
    help: "Time to answer a call; a long-poll counts its wait",
    labels: ["route"],
    roles: ["gateway"],
    buckets: ACCEPT_SECONDS,
  },
  gateway_waiters: {
    type: "gauge",
    help: "Long-polls waiting now",
    labels: [],
    roles: ["gateway"],
  },
  gateway_streams: {
    type: "gauge",
    help: "Answers that are read while they are made, now",
    labels: [],
    roles: ["gateway"],
  },
  gateway_wakeups_total: {
    type: "counter",
    help: "Long-polls ended by a completion, by how they learnt of it",
    labels: ["by"],
    roles: ["gateway"],
  },
  gateway_forged_key_records_total: {
    type: "counter",
    help: "Records of API keys in Redis that are of no gateway, or of another key or time",
    labels: [],
    roles: ["gateway"],
  },
  gateway_insert_batch_rows: {
    type: "histogram",
    help: "Rows of one group commit",
    labels: [],
    roles: ["gateway"],
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
  },
  gateway_key_lookups_total: {
    type: "counter",
    help: "Key look-ups by the place that answered",
    labels: ["from"],
    roles: ["gateway"],
  },
  gateway_tokens_waiting: {
    type: "gauge",
    help: "Estimated tokens of requests without a terminal state",
    labels: ["model"],
    roles: ["gateway"],
  },
  gateway_requests_waiting: {
    type: "gauge",
    help: "Requests without a terminal state",
    labels: ["model"],
    roles: ["gateway"],
  },
  gateway_oldest_waiting_seconds: {
    type: "gauge",
    help: "Age of the oldest request without a terminal state",
    labels: [],
    roles: ["gateway"],
  },
  gateway_tokens_runnable: {
    type: "gauge",
    help: "Estimated tokens of those requests that workers could run now",
    labels: ["model"],
    roles: ["gateway"],
  },
  gateway_requests_runnable: {
    type: "gauge",
    help: "Requests that workers could run now; of a model that only has to be probed, 1",
    labels: ["model"],
    roles: ["gateway"],
  },
  gateway_oldest_runnable_seconds: {
    type: "gauge",
    help: "Age of the oldest request that workers could run now",
    labels: [],
    roles: ["gateway"],
  },
  outbox_depth: {
    type: "gauge",
    help: "Requests stored but not yet confirmed by the broker",
    labels: [],
    roles: ["gateway", "collector"],
  },
  queue_depth: {
    type: "gauge",
    help: "Messages ready in a queue",
    labels: ["queue"],
    roles: ["collector"],
  },
  requests_parked: {
    type: "gauge",
    help: "Requests that wait for their turn in PostgreSQL",
    labels: ["model"],
    roles: ["collector"],
  },
  model_paused: {
    type: "gauge",
    help: "1 while nothing of the model is called for that cause",
    labels: ["model", "cause"],
    roles: ["worker", "collector"],
  },
  model_suspected: {
    type: "gauge",
    help: "1 while all calls fail for that cause, but of one user only, so that the model is not paused",
    labels: ["model", "cause"],
    roles: ["collector"],
  },
  users_paused: {
    type: "gauge",
    help: "Users whose requests are tried one at a time, because theirs fail",
    labels: ["model"],
    roles: ["collector"],
  },
  dispatcher_view_age_seconds: {
    type: "gauge",
    help: "For how long the dispatcher has said nothing new",
    labels: [],
    roles: ["collector"],
  },
  worker_actors: {
    type: "gauge",
    help: "Actors by life-cycle state; idle: free places at the models that can be called",
    labels: ["state"],
    roles: ["worker"],
  },
  worker_deliveries_waiting: {
    type: "gauge",
    help: "Deliveries owned that wait for a place at the model",
    labels: ["model"],
    roles: ["worker"],
  },
  worker_inference_duration_seconds: {
    type: "histogram",
    help: "Duration of one attempt",
    labels: ["model", "outcome"],
    roles: ["worker"],
    buckets: INFERENCE_SECONDS,
  },
  worker_attempts_total: {
    type: "counter",
    help: "Attempts by verdict",
    labels: ["model", "verdict"],
    roles: ["worker"],
  },
  worker_concurrency_limit: {
    type: "gauge",
    help: "Adaptive limit on concurrent attempts",
    labels: ["model"],
    roles: ["worker"],
  },
  worker_model_callable: {
    type: "gauge",
    help: "1 while the worker has the key of the model's ML service, or needs none",
    labels: ["model"],
    roles: ["worker"],
  },
  collector_batch_size: {
    type: "histogram",
    help: "Results of one batch",
    labels: [],
    roles: ["collector"],
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
  },
  collector_settle_lag_seconds: {
    type: "histogram",
    help: "From the end of the attempt to the settled quota",
    labels: [],
    roles: ["collector"],
    buckets: ACCEPT_SECONDS,
  },
  collector_results_total: {
    type: "counter",
    help: "Results by what became of them",
    labels: ["outcome"],
    roles: ["collector"],
  },
  collector_messages_refused_total: {
    type: "counter",
    help: "Messages that none of our processes has written, or not so; they are among the dead letters",
    labels: ["cause"],
    roles: ["collector"],
  },
  keeper_active: {
    type: "gauge",
    help: "1 on the collector that performs the keeper's duties",
    labels: [],
    roles: ["collector"],
  },
  keeper_actions_total: {
    type: "counter",
    help: "What the keeper did: what it had to mend, what it parked and dispatched",
    labels: ["action"],
    roles: ["collector"],
  },
  quota_drift_tokens: {
    type: "gauge",
    help: "Absolute difference between Redis and PostgreSQL at the last audit",
    labels: [],
    roles: ["collector"],
  },
  holds_open: {
    type: "gauge",
    help: "Holds open in Redis at the last audit",
    labels: [],
    roles: ["collector"],
  },
  redis_may_forget: {
    type: "gauge",
    help: "1 where Redis may evict keys, or stores nothing on disk; absent where it does not tell",
    labels: ["cause"],
    roles: ["gateway", "worker", "collector"],
  },
  certificate_expires_timestamp_seconds: {
    type: "gauge",
    help: "When the first certificate of those that a server is spoken to with ends: ours or an authority's",
    labels: ["server"],
    roles: ["gateway", "worker", "collector"],
  },
} as const satisfies Record<string, MetricSpec>;

export type MetricName = keyof typeof METRICS;

type HandleOf<Spec extends MetricSpec> = Spec["type"] extends "counter"
  ? Counter
  : Spec["type"] extends "gauge"
    ? Gauge
    : Histogram;

/**
 * The metrics as services see them; `adapters/metrics` registers them for a role, tests pass
 * `silentMetrics()`.
 */
export type Metrics = { [Name in MetricName]: HandleOf<(typeof METRICS)[Name]> };

/** Metrics that nobody reads. */
export function silentMetrics(): Metrics {
  const silent = { add: () => {}, set: () => {}, observe: () => {} };
  return Object.fromEntries(
    Object.keys(METRICS).map((name) => [name, silent]),
  ) as unknown as Metrics;
}
