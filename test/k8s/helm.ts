import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { findProgram } from "../../local/cluster/programs.ts";

export const CHART = join(PROJECT_ROOT, "k8s/helm");

/** Enough for the chart to be whole. */
export const VALUES_NEEDED = {
  servers: { databaseUrl: "postgres://p", redisUrl: "redis://r", amqpUrl: "amqp://a" },
  secrets: { encryptionKeys: "k1:AAAA", keyPepper: "pepper" },
  scaling: { rabbitmq: { host: "http://r:15672/", username: "u", password: "p" } },
};

/** Helm of the machine, or of the cache; undefined: there is none. */
export const findHelm = (): string | undefined =>
  Bun.which("helm") ?? findProgram("helm", process.env);
