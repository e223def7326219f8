import { type Static, Type as t } from "@sinclair/typebox";

import { ROLES } from "../roles.ts";
import { readJsonFile } from "../../adapters/state/json-file.ts";
import type { StatePaths } from "../../adapters/state/paths.ts";
import {
  isRunning,
  type ProcessIdentity,
  ProcessIdentitySchema,
} from "../processes/process-identity.ts";

const RunningComponentSchema = t.Object({
  name: t.Union(ROLES.map((name) => t.Literal(name))),
  state: t.Union([t.Literal("running"), t.Literal("restarting"), t.Literal("stopped")]),
  identity: t.Optional(ProcessIdentitySchema),
  ports: t.Array(t.Integer()),
  restarts: t.Integer({ minimum: 0 }),
  started_at: t.String(),
});

const WatchedServerSchema = t.Object({
  name: t.String(),
  state: t.Union([t.Literal("running"), t.Literal("restarting")]),
  restarts: t.Integer({ minimum: 0 }),
  /** Why it could not be started again. */
  problem: t.Optional(t.String()),
});

/** The supervisor's note of what it runs, rewritten at every change. */
export const StackSchema = t.Object({
  /** The `up` in whose terminal it runs; absent when detached. */
  owner: t.Optional(ProcessIdentitySchema),
  supervisor: ProcessIdentitySchema,
  started_at: t.String(),
  components: t.Array(RunningComponentSchema),
  /** The private servers that it keeps running; absent where the servers are somebody else's. */
  servers: t.Optional(t.Array(WatchedServerSchema)),
});
export type Stack = Static<typeof StackSchema>;
export type WatchedServer = Static<typeof WatchedServerSchema>;
export type RunningComponent = Static<typeof RunningComponentSchema>;

export const readStack = (paths: StatePaths): Stack | undefined =>
  readJsonFile(paths.stack, StackSchema);

/**
 * What a note of the supervisor means now. `running`: somebody watches over it. `abandoned`: its supervisor
 * or the `up` it belonged to was killed, so that processes may be left over. `none`: nothing of it runs.
 */
export type StackState = "none" | "running" | "abandoned";

export function judgeStack(
  stack: Stack | undefined,
  runs: (identity: ProcessIdentity) => boolean = isRunning,
): StackState {
  if (stack === undefined) return "none";
  const supervised = runs(stack.supervisor);
  if (supervised && (stack.owner === undefined || runs(stack.owner))) return "running";
  const left = stack.components.some(({ identity }) => identity !== undefined && runs(identity));
  return supervised || left ? "abandoned" : "none";
}
