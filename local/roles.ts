import { SECRET_VARIABLES, type SecretName } from "../adapters/state/secrets.ts";

/** What a process can be, in the order of a start; `simulator` is the simulated ML service. */
export const ROLES = ["simulator", "gateway", "worker", "collector"] as const;
export type Role = (typeof ROLES)[number];

/** How a process of a role is run and watched, by `up` and by the stacks of tests and bench alike. */
export interface RoleFacts {
  /** What Bun runs, from the checkout. */
  entry: string;
  /** The environment variable of the port of its API, if it has one: several gateways may share it. */
  apiPort?: string;
  /**
   * The environment variable of the port that is always its own: that of its metrics, or the simulator's only
   * one.
   */
  ownPort: string;
  /** On its own port; responds with 200 once the process can work. */
  healthPath: string;
  /** Those that it works with; it is given no other. */
  secrets: readonly SecretName[];
  /** On top of what all get. */
  env: Readonly<Record<string, string>>;
}

export const ROLE_FACTS: Readonly<Record<Role, RoleFacts>> = {
  simulator: {
    entry: "ml-sim/main.ts",
    ownPort: "ML_SIM_PORT",
    healthPath: "/health",
    secrets: [],
    env: {},
  },
  gateway: {
    entry: "gateway/main.ts",
    apiPort: "TOLLGATE_GATEWAY__PORT",
    ownPort: "TOLLGATE_GATEWAY__METRICS_PORT",
    healthPath: "/health/ready",
    secrets: ["encryptionKeys", "keyPepper"],
    env: {},
  },
  worker: {
    entry: "workers/main.ts",
    ownPort: "TOLLGATE_WORKER__METRICS_PORT",
    healthPath: "/health/ready",
    secrets: ["encryptionKeys"],
    // As in the Dockerfile; Bun keeps calls above 256 waiting without a word.
    env: { BUN_CONFIG_MAX_HTTP_REQUESTS: "65336" },
  },
  collector: {
    entry: "collector/main.ts",
    ownPort: "TOLLGATE_COLLECTOR__METRICS_PORT",
    healthPath: "/health/ready",
    secrets: ["encryptionKeys"],
    env: {},
  },
};

/** Takes from an environment the secrets that a role does not need: what is empty counts as not set. */
export function withheldFrom(role: Role): Record<string, string> {
  const names = Object.entries(SECRET_VARIABLES).filter(
    ([secret]) => !ROLE_FACTS[role].secrets.some((needed) => needed === secret),
  );
  return Object.fromEntries(names.map(([, variable]) => [variable, ""]));
}
