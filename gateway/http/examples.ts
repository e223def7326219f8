import type { TSchema } from "@sinclair/typebox";

import {
  AcceptedReply,
  StatusReply,
  CancellingReply,
  ListReply,
  QuotaReply,
  ExplainReply,
  UsageReply,
  Problem,
  Health,
} from "./schemas.ts";

/** What a reply of each schema looks like, as docs/api.md shows it. */
export const EXAMPLES: ReadonlyMap<TSchema, unknown> = new Map<TSchema, unknown>([
  [
    AcceptedReply,
    {
      request_id: "01a2008c-8a12-7793-b621-2fa61ad7578d",
      status: "queued",
      model: "sim-chat",
      estimated_tokens: 69,
      urls: {
        status: "/status/01a2008c-8a12-7793-b621-2fa61ad7578d",
        cancel: "/requests/01a2008c-8a12-7793-b621-2fa61ad7578d/cancel",
      },
    },
  ],
  [
    StatusReply,
    {
      request_id: "01a2008c-8a12-7793-b621-2fa61ad7578d",
      status: "completed",
      model: "sim-chat",
      result: { choices: [{ index: 0, text: "Because …", finish_reason: "stop" }] },
      tokens: { estimated: 69, prompt: 5, completion: 41, total: 46, refunded: 23 },
      attempts: 1,
      created_at: "2026-11-21T23:59:00.114Z",
      started_at: "2026-11-21T23:59:00.147Z",
      completed_at: "2026-11-21T23:59:02.096Z",
      metadata: { order: 7 },
    },
  ],
  [
    CancellingReply,
    {
      request_id: "01a2008c-8a12-7793-b621-2fa61ad7578d",
      status: "in_progress",
      model: "sim-chat",
      tokens: { estimated: 69, prompt: null, completion: null, total: null, refunded: null },
      attempts: 1,
      created_at: "2026-11-21T23:59:00.114Z",
      started_at: "2026-11-21T23:59:00.147Z",
      cancelling: true,
    },
  ],
  [
    ListReply,
    {
      data: [
        {
          request_id: "01a2008c-8a12-7793-b621-2fa61ad7578d",
          status: "failed",
          model: "sim-chat",
          error: { code: "UPSTREAM_TIMEOUT", message: "the ML service did not answer in time" },
          tokens: { estimated: 69, prompt: null, completion: null, total: null, refunded: 69 },
          attempts: 5,
          created_at: "2026-11-21T23:59:00.114Z",
          completed_at: "2026-11-22T00:05:10.096Z",
        },
      ],
      has_more: true,
      next: "01a2008c-8a12-7793-b621-2fa61ad7578d",
    },
  ],
  [
    QuotaReply,
    {
      at: "2026-11-21T23:54:29.888Z",
      windows: {
        daily: {
          window: "2026-11-21",
          resets_at: "2026-11-22T00:00:00.000Z",
          requests: { limit: 100000, used: 255, held: 3, remaining: 99745 },
          tokens: { limit: 50000000, used: 959, held: 156, remaining: 49999041 },
          failed_executions: { limit: 10000, used: 4, remaining: 9996 },
        },
        monthly: {
          window: "2026-11",
          resets_at: "2026-12-01T00:00:00.000Z",
          requests: { limit: 2000000, used: 255, held: 3, remaining: 1999745 },
          tokens: { limit: null, used: 959, held: 156, remaining: null },
          failed_executions: { limit: 100000, used: 4, remaining: 99996 },
        },
      },
      concurrent_requests: { open: 3, limit: 10000 },
    },
  ],
  [
    ExplainReply,
    {
      fits: false,
      estimated_tokens: 4005,
      refusals: [{ window: "daily", measure: "tokens", limit: 50000, used: 47000, wanted: 4005 }],
      never_fits: false,
      retry_after_seconds: 43200,
      fits_at: "2026-11-22T00:00:00.000Z",
    },
  ],
  [
    UsageReply,
    {
      from: "2026-11-01",
      to: "2026-11-30",
      by: "model",
      data: [
        {
          model: "sim-chat",
          requests: 252,
          failed_requests: 3,
          prompt_tokens: 727,
          completion_tokens: 76,
          total_tokens: 803,
          cached_tokens: 512,
          reasoning_tokens: 20,
        },
      ],
      total: {
        requests: 252,
        failed_requests: 3,
        prompt_tokens: 727,
        completion_tokens: 76,
        total_tokens: 803,
        cached_tokens: 512,
        reasoning_tokens: 20,
      },
    },
  ],
  [
    Problem,
    {
      type: "about:blank",
      title: "The body does not fit the schema",
      status: 422,
      code: "BODY_INVALID",
      detail: "the body does not fit the schema; `errors` names the fields",
      error: {
        message: "The body does not fit the schema: max_tokens must be at most 4096",
        type: "invalid_request_error",
        param: "max_tokens",
        code: "body_invalid",
      },
      errors: [{ field: "/max_tokens", message: "must be at most 4096" }],
    },
  ],
  [Health, { status: "live" }],
]);
