import { type Static, Type as t } from "@sinclair/typebox";

import { IDEMPOTENCY_KEYS_MS } from "../request/stored-request.ts";
import { amqp } from "./amqp-schema.ts";
import { closed, count, ms, port } from "./fields.ts";
import { model } from "./model-schema.ts";
import { postgres } from "./postgres-schema.ts";
import { openai } from "./openai-schema.ts";
import { redis } from "./redis-schema.ts";
import { serverTls } from "./tls-schema.ts";

const windowLimit = t.Object(
  {
    requests: t.Union([t.Integer({ minimum: 0 }), t.Null()], {
      default: null,
      description: "Requests per window; null: no limit.",
    }),
    tokens: t.Union([t.Integer({ minimum: 0 }), t.Null()], {
      default: null,
      description: "Tokens per window; null: no limit.",
    }),
    failed_executions: t.Union([t.Integer({ minimum: 1 }), t.Null()], {
      default: null,
      description:
        "Executions that may fail per window; after that FAILURES_EXCEEDED until it ends. null: no limit.",
    }),
  },
  { ...closed, default: {} },
);

export const TierSchema = t.Object(
  {
    daily: windowLimit,
    monthly: windowLimit,
    concurrent_requests: t.Union([t.Integer({ minimum: 1 }), t.Null()], {
      default: null,
      description: "Requests a user may have open at once; null: no limit (docs/scaling.md).",
    }),
    weight: t.Number({
      exclusiveMinimum: 0,
      default: 1,
      description: "Share of a model's tokens beside other users who wait.",
    }),
    priority_max: t.Union([t.Literal("low"), t.Literal("normal"), t.Literal("high")], {
      default: "normal",
      description: "The most urgent class of priority that a request may ask for.",
    }),
  },
  // TypeBox fills in the values of a record only when their schema has a default itself.
  { ...closed, default: {} },
);

const gateway = t.Object(
  {
    host: t.String({ default: "127.0.0.1", description: "Address to listen on." }),
    port: port(8080, "Port of the API."),
    tls: serverTls,
    metrics_port: port(9090, "Port of /metrics; never the API's."),
    cors_origins: t.Union(
      [t.Literal("*"), t.Array(t.String({ pattern: "^[a-z][a-z0-9+.-]*://[^/\\sA-Z]+$" }))],
      {
        default: [],
        description:
          "Origins whose web pages may call, such as https://chat.example.com, or * for all; a key in a " +
          "page is everybody's. Never with credentials.",
      },
    ),
    docs: t.Boolean({ default: true, description: "Serve the API's documentation at /docs." }),
    body_bytes_max: count(1_048_576, "Largest body of a call."),
    bodies_bytes_max: count(
      134_217_728,
      "Bytes of bodies being read or accepted, counted before they come; more get 503.",
    ),
    user_bodies_bytes_max: count(33_554_432, "The same of one user; more get 429."),
    body_timeout_ms: ms(
      30_000,
      "How long a body may take to come; then 408, and the connection is closed.",
    ),
    prompt_bytes_max: count(524_288, "Largest prompt in UTF-8 bytes."),
    metadata_bytes_max: count(4_096, "Largest metadata as JSON."),
    n_max: count(8, "Most choices of one request."),
    accept_timeout_ms: ms(
      5_000,
      "After this an accept is refused with 503 and its hold released. Keep below keeper.orphan_after_ms.",
    ),
    insert_rows_max: count(200, "Rows of one group commit."),
    gather_ms: ms(3, "Longest wait of an accept for others that are under way.", 0),
    insert_flushes_max: count(2, "Group commits under way at once."),
    accepts_max: count(10_000, "Accepts under way at once; more get 503."),
    accepts_bytes_max: count(268_435_456, "Bytes of accepts under way; more get 503."),
    publish_messages_max: count(500, "Unconfirmed messages at once."),
    publish_bytes_max: count(8_388_608, "Bytes of unconfirmed messages at once."),
    outbox_max: count(50_000, "Requests stored but not confirmed, beyond which accepts get 503."),
    outbox_note_ms: ms(500, "How often this gateway notes how far the broker has confirmed."),
    key_cache_ms: ms(
      30_000,
      "How long a key may be served from memory; a revocation is announced at once as well.",
    ),
    key_cache_max: count(100_000, "Keys kept in memory."),
    wait_seconds_max: t.Integer({
      minimum: 0,
      maximum: 50,
      default: 50,
      description: "Longest long-poll. Proxies cut at 60 s.",
    }),
    wait_recheck_ms: ms(
      5_000,
      "How often waiting long-polls are read again, in case a wake-up was lost.",
    ),
    waiters_max: count(20_000, "Long-polls waiting at once; more do not wait."),
    user_waiters_max: count(5_000, "The same of one user."),
    queue_ttl_seconds_default: count(
      86_400,
      "How long a request may wait for its first attempt when the caller does not say.",
    ),
    queue_ttl_seconds_max: t.Integer({
      minimum: 1,
      maximum: IDEMPOTENCY_KEYS_MS / 1_000,
      default: IDEMPOTENCY_KEYS_MS / 1_000,
      description:
        "Longest queue_ttl a caller may ask for. Idempotency keys are kept no longer than 7 days.",
    }),
    drain_ms: ms(10_000, "Longest graceful stop. Keep below terminationGracePeriodSeconds."),
    drain_delay_ms: ms(
      0,
      "How long a stopping gateway still accepts, so that load balancers learn of it.",
      0,
    ),
  },
  { ...closed, default: {} },
);

const worker = t.Object(
  {
    metrics_port: port(9091, "Port of /metrics and the health routes."),
    host: t.String({ default: "127.0.0.1", description: "Address of the metrics port." }),
    actors: count(64, "Most attempts of one model under way at once in this process."),
    prefetch: t.Optional(
      t.Integer({
        minimum: 1,
        description: "Without effect: each model's prefetch follows its limit and its times.",
      }),
    ),
    gather_ms: ms(5, "Longest wait for company of results that come close to each other.", 0),
    park_ms: t.Optional(
      t.Integer({
        minimum: 1,
        description: "Without effect: what cannot run now is put off at once.",
      }),
    ),
    crashes_max: count(3, "How often a delivery may take its worker down before it is given up."),
    grace_ms: ms(
      25_000,
      "How long a stopping worker lets attempts finish. Keep below terminationGracePeriodSeconds.",
    ),
  },
  { ...closed, default: {} },
);

const collector = t.Object(
  {
    metrics_port: port(9092, "Port of /metrics and the health routes."),
    host: t.String({ default: "127.0.0.1", description: "Address of the metrics port." }),
    batch_results_max: count(500, "Results of one transaction."),
    batch_wait_ms: ms(20, "Longest wait of a result for others to share its transaction.", 0),
    prefetch: count(
      1_000,
      "Results that this process owns at once; at most 2000 on a quorum queue. It bounds the memory: each " +
        "may be as long as the largest models.*.reply_bytes_max, so lower it where replies are long or " +
        "memory is short.",
    ),
    grace_ms: ms(10_000, "Longest graceful stop."),
  },
  { ...closed, default: {} },
);

const keeper = t.Object(
  {
    interval_ms: ms(1_000, "Pause between two rounds of the keeper."),
    gateway_silent_ms: ms(
      5_000,
      "A gateway that has noted nothing for this long is taken for dead and its outbox relayed.",
    ),
    orphan_after_ms: ms(
      30_000,
      "A hold without an open request is freed when it is older than this. Keep above " +
        "gateway.accept_timeout_ms.",
    ),
    republish_after_ms: ms(
      60_000,
      "A queued request that is in no queue any more is published again when it is older than this.",
    ),
    audit_interval_ms: ms(60_000, "Pause between two audits."),
    retention_days: count(30, "Requests older than this are dropped; the ledger stays."),
  },
  { ...closed, default: {} },
);

/**
 * The whole of `tollgate.yaml`. Units are in the names; every default says why in its description or in
 * docs/configuration.md.
 */
export const ConfigSchema = t.Object(
  {
    allow_plaintext: t.Boolean({
      default: false,
      description:
        "Whether servers on other machines may be spoken to without TLS; say so only where the network is " +
        "yours alone, or encrypts by itself.",
    }),
    postgres,
    redis,
    amqp,
    secrets: t.Object(
      {
        encryption_keys: t.String({
          minLength: 1,
          description: "Comma-separated `id:base64` AES-256 keys; the first seals, all open.",
        }),
        key_pepper: t.Optional(
          t.String({
            minLength: 32,
            description:
              "Secret under which API keys are hashed; only gateways and commands about keys need it.",
          }),
        ),
      },
      closed,
    ),
    gateway,
    metrics: t.Object({ tls: serverTls }, { ...closed, default: {} }),
    openai,
    worker,
    collector,
    keeper,
    dispatch: t.Object(
      {
        interval_ms: ms(
          100,
          "Pause between two looks of the dispatcher while requests are parked.",
        ),
        idle_interval_ms: ms(250, "The same while nothing is parked."),
        queue_seconds: t.Number({
          exclusiveMinimum: 0,
          default: 1,
          description:
            "How many seconds of work a model's queue holds; at least what its workers can run at once.",
        }),
      },
      { ...closed, default: {} },
    ),
    retry: t.Object(
      {
        attempts_max: count(5, "Attempts of one request, the first included."),
        delays_ms: t.Array(t.Integer({ minimum: 100 }), {
          minItems: 1,
          maxItems: 16,
          default: [1_000, 5_000, 25_000, 120_000],
          description:
            "Longest delay before each retry; the last one repeats. One delay queue per value.",
        }),
      },
      { ...closed, default: {} },
    ),
    tiers: t.Record(t.String({ pattern: "^[a-z0-9-]+$" }), TierSchema, {
      description: "Default quotas by tier.",
    }),
    models: t.Record(t.String({ pattern: "^[A-Za-z0-9._:/-]+$" }), model, {
      minProperties: 1,
      description: "The ML services, by the name a caller uses.",
    }),
    default_model: t.String({
      minLength: 1,
      description: "The model of a request that names none.",
    }),
    default_tier: t.String({
      minLength: 1,
      description: "The tier of a user that was given none.",
    }),
    log_level: t.Union(
      [t.Literal("debug"), t.Literal("info"), t.Literal("warn"), t.Literal("error")],
      { default: "info", description: "Least severe line that is written." },
    ),
  },
  closed,
);

export type Config = Static<typeof ConfigSchema>;
export type ModelConfig = Config["models"][string];
export type TierConfig = Config["tiers"][string];
