import { Type as t } from "@sinclair/typebox";
import admit from "../../lua/admit.lua" with { type: "text" };
import beginLoad from "../../lua/begin-load.lua" with { type: "text" };
import holdFate from "../../lua/hold-fate.lua" with { type: "text" };
import load from "../../lua/load.lua" with { type: "text" };
import readBooks from "../../lua/read-books.lua" with { type: "text" };
import readQuota from "../../lua/read-quota.lua" with { type: "text" };
import setLimits from "../../lua/set-limits.lua" with { type: "text" };
import settle from "../../lua/settle.lua" with { type: "text" };
import books from "../../lua/shared/books.lua" with { type: "text" };
import failures from "../../lua/shared/failures.lua" with { type: "text" };
import limits from "../../lua/shared/limits.lua" with { type: "text" };
import loading from "../../lua/shared/loading.lua" with { type: "text" };
import snapshots from "../../lua/shared/snapshot.lua" with { type: "text" };
import use from "../../lua/shared/use.lua" with { type: "text" };

const unknown = t.Tuple([t.Literal("unknown")]);

const amount = t.Integer();
const four = [amount, amount, amount, amount] as const;

/** [kind, atMs, day, open requests, concurrency limit, 4 limits, 4 used]; a limit of -1 is no limit. */
const useOf = <const Kind extends "admitted" | "refused">(kind: Kind) =>
  t.Tuple([t.Literal(kind), amount, t.String(), amount, amount, ...four, ...four]);

/** As above, then the window in which too many executions have failed, its limit, and how many failed. */
const refusedForFailures = t.Tuple([
  t.Literal("refused"),
  amount,
  t.String(),
  amount,
  amount,
  ...four,
  ...four,
  t.Union([t.Literal("daily"), t.Literal("monthly")]),
  amount,
  amount,
]);

/**
 * As `useOf`, then 4 held, then the limits on failed executions and how many failed, each of the day and of
 * the month.
 */
const snapshot = t.Tuple([
  t.Literal("known"),
  amount,
  t.String(),
  amount,
  amount,
  ...four,
  ...four,
  ...four,
  ...four,
]);

export const ADMIT = {
  lua: `${books}${failures}${use}${admit}`,
  keys: ["user"],
  args: ["instance", "requestId", "tokens", "clockMs"],
  reply: t.Union([useOf("admitted"), useOf("refused"), refusedForFailures, unknown]),
} as const;

export const READ_QUOTA = {
  lua: `${books}${failures}${use}${snapshots}${readQuota}`,
  keys: ["user"],
  args: ["instance", "clockMs"],
  reply: t.Union([snapshot, unknown]),
} as const;

export const READ_BOOKS = {
  lua: `${books}${failures}${use}${snapshots}${readBooks}`,
  keys: ["user"],
  args: ["instance", "clockMs"],
  /** The snapshot, then request id and packed hold in turns. */
  reply: t.Union([t.Tuple([snapshot, t.Array(t.String())]), unknown]),
} as const;

export const HOLD_FATE = {
  lua: `${books}${loading}${use}${holdFate}`,
  keys: ["user"],
  args: ["instance", "requestId", "createdAtMs"],
  reply: t.Union([t.Literal("held"), t.Literal("gone"), t.Literal("unknown")]),
} as const;

export const SETTLE = {
  lua: `${books}${loading}${failures}${settle}`,
  keys: ["user", "started"],
  args: ["requestId", "billedTokens", "failed", "expectHold", "clockMs"],
  reply: t.Union([t.Literal("settled"), t.Literal("absent")]),
} as const;

export const BEGIN_LOAD = {
  lua: `${books}${loading}${beginLoad}`,
  keys: ["user"],
  args: ["instance", "nonce", "clockMs"],
  /** Empty: loaded already; else the nonce and the request ids of recent holds. */
  reply: t.Array(t.String()),
} as const;

export const LOAD = {
  lua: `${books}${loading}${failures}${limits}${load}`,
  keys: ["user"],
  args: ["instance", "nonce", "knownForMs", "clockMs", "truthJson"],
  reply: t.Union([t.Literal("loaded"), t.Literal("already"), t.Literal("superseded")]),
} as const;

export const SET_LIMITS = {
  lua: `${books}${loading}${failures}${limits}${setLimits}`,
  keys: ["user"],
  args: [
    "dailyRequests",
    "dailyTokens",
    "monthlyRequests",
    "monthlyTokens",
    "concurrent",
    "dailyFailed",
    "monthlyFailed",
    "clockMs",
  ],
  reply: t.Union([t.Literal("set"), t.Literal("unknown")]),
} as const;
