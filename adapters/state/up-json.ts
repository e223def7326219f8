import { type Static, Type as t } from "@sinclair/typebox";

import { readJsonFile, writeJsonFile } from "./json-file.ts";
import type { StatePaths } from "./paths.ts";

/** What `up` tells scripts in `.tollgate/up.json`: where everything is, and the demo user's key. */
const UpJsonSchema = t.Object({
  gateway: t.String(),
  metrics: t.Object({ gateway: t.String(), worker: t.String(), collector: t.String() }),
  postgres: t.String(),
  redis: t.String(),
  amqp: t.String(),
  ml: t.String(),
  /** Absolute path of the configuration file it was started with; absent: by an older release. */
  config: t.Optional(t.String()),
  /** Only with `--tls`: the files with which to call all of it. */
  tls: t.Optional(t.Object({ ca: t.String(), cert: t.String(), key: t.String() })),
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
