import { type Static, Type as t } from "@sinclair/typebox";

import { readJsonFile, writeJsonFile } from "./json-file.ts";
import type { StatePaths } from "./paths.ts";

/** What `up` tells scripts in `.tollgate/up.json`: where everything answers, and the demo user's key. */
const UpJsonSchema = t.Object({
  gateway: t.String(),
  metrics: t.Object({ gateway: t.String(), worker: t.String(), collector: t.String() }),
  postgres: t.String(),
  redis: t.String(),
  amqp: t.String(),
  ml: t.String(),
  /** The configuration file it was started with, an absolute path; absent when an older release started it. */
  config: t.Optional(t.String()),
  /** Only with `--observe`. */
  prometheus: t.Optional(t.String()),
  /** Only with `--observe`, and where it is installed. */
  grafana: t.Optional(t.String()),
  api_key: t.String(),
  user_id: t.String(),
});
export type UpJson = Static<typeof UpJsonSchema>;

export const readUpJson = (paths: StatePaths): UpJson | undefined =>
  readJsonFile(paths.upJson, UpJsonSchema);

export const writeUpJson = (paths: StatePaths, up: UpJson): void => writeJsonFile(paths.upJson, up);
