import { type Static, Type as t } from "@sinclair/typebox";

const closed = { additionalProperties: false } as const;

const error = t.Object({
  code: t.String({ description: "A code of docs/faults.md." }),
  message: t.String(),
});

/** Why a request has not started. */
const waiting = t.Object(
  {
    reason: t.Union(
      [
        t.Literal("own_requests_ahead"),
        t.Literal("fair_share"),
        t.Literal("model_paused"),
        t.Literal("model_unavailable"),
        t.Literal("user_paused"),
        t.Literal("between_attempts"),
        t.Literal("no_worker"),
        t.Literal("model_removed"),
      ],
      { description: "docs/api.md explains each." },
    ),
    ahead: t.Integer({
      description: "Requests that go first, as far as known; at most 1000 of yours.",
    }),
    starts_in_seconds: t.Union([t.Integer(), t.Null()], {
      description: "By the rate at which calls end now; null: not known.",
    }),
    last_error: t.Optional(error),
  },
  { ...closed, description: "While `queued`: why it has not started." },
);
export type WaitingReply = Static<typeof waiting>;

export const AcceptedReply = t.Object(
  {
    request_id: t.String({ format: "uuid" }),
    status: t.Literal("queued"),
    model: t.String(),
    estimated_tokens: t.Integer({ description: "Tokens held until the request ends." }),
    urls: t.Object({
      status: t.String(),
      cancel: t.String(),
      events: t.Optional(t.String({ description: "Of a request with `stream`." })),
    }),
    waiting: t.Optional(waiting),
  },
  closed,
);
export type AcceptedReply = Static<typeof AcceptedReply>;

const instant = t.String({ format: "date-time" });
const stateName = t.Union([
  t.Literal("queued"),
  t.Literal("in_progress"),
  t.Literal("completed"),
  t.Literal("failed"),
  t.Literal("cancelled"),
  t.Literal("expired"),
]);

const statusReply = {
  request_id: t.String({ format: "uuid" }),
  status: stateName,
  model: t.String(),
  result: t.Optional(
    t.Object({
      choices: t.Array(
        t.Object({
          index: t.Integer(),
          text: t.String(),
          finish_reason: t.Union([t.String(), t.Null()]),
          message: t.Optional(
            t.Object(
              {},
              {
                description:
                  "The whole message as the ML service wrote it, with tool calls, refusal, reasoning, " +
                  "parts; absent when it says no more than `text`.",
              },
            ),
          ),
          logprobs: t.Optional(t.Unknown()),
        }),
      ),
      usage: t.Optional(t.Object({ cached_tokens: t.Integer(), reasoning_tokens: t.Integer() })),
      data: t.Optional(
        t.Array(t.Unknown(), { description: "Of a model that embeds: the vectors." }),
      ),
    }),
  ),
  error: t.Optional(
    t.Object({
      code: t.String({ description: "A code of docs/faults.md." }),
      message: t.String(),
      upstream: t.Optional(
        t.Object(
          {
            status: t.Integer({ description: "HTTP status of its reply, or of an error inside." }),
            message: t.Union([t.String(), t.Null()], { description: "Its own words, cut short." }),
          },
          { description: "What the ML service said of it." },
        ),
      ),
    }),
  ),
  tokens: t.Object({
    estimated: t.Integer({ description: "Held on acceptance." }),
    prompt: t.Union([t.Integer(), t.Null()]),
    completion: t.Union([t.Integer(), t.Null()]),
    total: t.Union([t.Integer(), t.Null()], {
      description: "Billed; null until the request has ended.",
    }),
    refunded: t.Union([t.Integer(), t.Null()], {
      description: "Given back to the quota; negative: charged beyond the estimate.",
    }),
  }),
  waiting: t.Optional(waiting),
  attempts: t.Integer({ description: "So far, the one under way included." }),
  last_error: t.Optional(error),
  next_attempt_at: t.Optional(instant),
  created_at: instant,
  started_at: t.Optional(instant),
  completed_at: t.Optional(instant),
  metadata: t.Optional(t.Record(t.String(), t.Unknown())),
};
export const StatusReply = t.Object(statusReply, closed);
export type StatusReply = Static<typeof StatusReply>;

/** The reply to a cancel that is still under way. */
export const CancellingReply = t.Object({ ...statusReply, cancelling: t.Literal(true) }, closed);

export const ListedReply = t.Omit(StatusReply, ["result"]);
export type ListedReply = Static<typeof ListedReply>;

export const ListReply = t.Object(
  {
    data: t.Array(ListedReply),
    has_more: t.Boolean(),
    next: t.Union([t.String(), t.Null()], { description: "Give it as `after` for the next page." }),
  },
  closed,
);
export type ListReply = Static<typeof ListReply>;

/** RFC 9457. */
export const Problem = t.Object({
  type: t.String(),
  title: t.String(),
  status: t.Integer(),
  detail: t.String(),
  code: t.String({ description: "A code of docs/faults.md." }),
  error: t.Object(
    {
      message: t.String({ description: "All that a person needs." }),
      type: t.String({ description: "A type of OpenAI's errors." }),
      param: t.Union([t.String(), t.Null()], { description: "The first wrong field." }),
      code: t.String({ description: "OpenAI's code where it has one, else `code` in lower case." }),
    },
    { ...closed, description: "The same for SDKs of OpenAI, which read nothing else." },
  ),
  request_id: t.Optional(t.String()),
  errors: t.Optional(t.Array(t.Object({ field: t.String(), message: t.String() }))),
});

export const Health = t.Object({
  status: t.String(),
  checks: t.Optional(t.Record(t.String(), t.Boolean())),
});

const orNull = t.Union([t.Integer(), t.Null()]);
const quotaMeasure = t.Object(
  {
    limit: t.Union([t.Integer(), t.Null()], { description: "null: no limit." }),
    used: t.Integer({ description: "What was used, and what is held." }),
    held: t.Integer({ description: "Held for open requests; a part of `used`." }),
    remaining: t.Union([t.Integer(), t.Null()], {
      description: "limit - used; negative: more was used than estimated.",
    }),
  },
  closed,
);
const quotaFailures = t.Object(
  {
    limit: t.Union([t.Integer(), t.Null()], { description: "null: no limit." }),
    used: t.Integer({ description: "Executions that failed." }),
    remaining: t.Union([t.Integer(), t.Null()], {
      description: "0: refused until the window starts anew.",
    }),
  },
  closed,
);
const quotaWindow = t.Object(
  {
    window: t.String({ description: "The UTC day (2026-11-21) or month (2026-11)." }),
    resets_at: instant,
    requests: quotaMeasure,
    tokens: quotaMeasure,
    failed_executions: quotaFailures,
  },
  closed,
);

export const QuotaReply = t.Object(
  {
    at: instant,
    windows: t.Object({ daily: quotaWindow, monthly: quotaWindow }, closed),
    concurrent_requests: t.Object({ open: t.Integer(), limit: orNull }, closed),
  },
  closed,
);
export type QuotaReply = Static<typeof QuotaReply>;

export const ExplainReply = t.Object(
  {
    fits: t.Boolean(),
    estimated_tokens: t.Integer(),
    refusals: t.Array(
      t.Object(
        {
          window: t.Union([t.Literal("daily"), t.Literal("monthly"), t.Literal("concurrent")]),
          measure: t.Union([
            t.Literal("requests"),
            t.Literal("tokens"),
            t.Literal("failed_executions"),
          ]),
          limit: t.Integer(),
          used: t.Integer(),
          wanted: t.Integer({ description: "What the request would add." }),
        },
        closed,
      ),
    ),
    never_fits: t.Boolean({ description: "Larger than a whole window: waiting does not help." }),
    retry_after_seconds: t.Union([t.Integer(), t.Null()], {
      description: "When asking again is right; null: it fits now or never.",
    }),
    fits_at: t.Union([instant, t.Null()], {
      description: "When the last of the refusing windows starts anew.",
    }),
  },
  closed,
);
export type ExplainReply = Static<typeof ExplainReply>;

const usageSums = {
  requests: t.Integer({ description: "Requests that tokens were billed for." }),
  failed_requests: t.Integer({
    description: "Requests that were executed and failed: they count in the quota, without tokens.",
  }),
  prompt_tokens: t.Integer(),
  completion_tokens: t.Integer(),
  total_tokens: t.Integer(),
  cached_tokens: t.Integer({ description: "Of `prompt_tokens`, those that came from a cache." }),
  reasoning_tokens: t.Integer({
    description: "Of `completion_tokens`, those of hidden reasoning.",
  }),
};

export const UsageReply = t.Object(
  {
    from: t.String({ format: "date" }),
    to: t.String({ format: "date" }),
    by: t.Union([t.Literal("day"), t.Literal("model")]),
    data: t.Array(
      t.Object(
        {
          day: t.Optional(t.String({ format: "date" })),
          model: t.Optional(t.String()),
          ...usageSums,
        },
        closed,
      ),
    ),
    total: t.Object(usageSums, closed),
  },
  closed,
);
export type UsageReply = Static<typeof UsageReply>;
