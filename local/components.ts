import type { Config } from "../core/config/schema.ts";

export const COMPONENT_NAMES = ["simulator", "gateway", "worker", "collector"] as const;
export type ComponentName = (typeof COMPONENT_NAMES)[number];

export interface ComponentPort {
  /** The environment variable that changes it. */
  variable: string;
  number: number;
}

/** One process of the system. */
export interface Component {
  name: ComponentName;
  /** What Bun runs, from the checkout. */
  entry: string;
  /** Ports that it listens on; the first is the one that answers `healthPath`. */
  ports: readonly [ComponentPort, ...ComponentPort[]];
  /** Answers 200 once the component can work. */
  healthPath: string;
  /** On top of what all components get. */
  env: Readonly<Record<string, string>>;
}

type Environment = Record<string, string | undefined>;

const SIMULATOR_PORT_VARIABLE = "ML_SIM_PORT";
/** The port in the simulator's URLs in tollgate.yaml. */
const SIMULATOR_PORT = 9100;

const simulatorPort = (env: Environment): number =>
  Number(env[SIMULATOR_PORT_VARIABLE] ?? "") || SIMULATOR_PORT;

export const simulatorUrl = (env: Environment): string => `http://127.0.0.1:${simulatorPort(env)}`;

/** The processes of `up`, in the order of their start. */
export function describeComponents(config: Config, env: Environment): Component[] {
  const metrics = (section: "gateway" | "worker" | "collector"): ComponentPort => ({
    variable: `TOLLGATE_${section.toUpperCase()}__METRICS_PORT`,
    number: config[section].metrics_port,
  });
  return [
    {
      name: "simulator",
      entry: "ml-sim/main.ts",
      ports: [{ variable: SIMULATOR_PORT_VARIABLE, number: simulatorPort(env) }],
      healthPath: "/health",
      env: { [SIMULATOR_PORT_VARIABLE]: String(simulatorPort(env)) },
    },
    {
      name: "gateway",
      entry: "gateway/main.ts",
      ports: [
        { variable: "TOLLGATE_GATEWAY__PORT", number: config.gateway.port },
        metrics("gateway"),
      ],
      healthPath: "/health/ready",
      env: {},
    },
    {
      name: "worker",
      entry: "workers/main.ts",
      ports: [metrics("worker")],
      healthPath: "/health/ready",
      // Bun keeps calls above 256 waiting without a word.
      env: { BUN_CONFIG_MAX_HTTP_REQUESTS: "2000" },
    },
    {
      name: "collector",
      entry: "collector/main.ts",
      ports: [metrics("collector")],
      healthPath: "/health/ready",
      env: {},
    },
  ];
}

/** `up` ends within 10 s of Ctrl-C; what is cut off then is taken up again at the next start. */
const STOP_OVERRIDES = {
  TOLLGATE_GATEWAY__DRAIN_MS: "3000",
  TOLLGATE_WORKER__GRACE_MS: "3000",
  TOLLGATE_COLLECTOR__GRACE_MS: "3000",
} as const;

/** The environment of every component; what the caller set wins. */
export function componentEnvironment(
  env: Environment,
  servers: Record<string, string>,
): Environment {
  return { NODE_ENV: "production", ...STOP_OVERRIDES, ...env, ...servers };
}

/** Overrides that lead models to the simulator when it listens on another port than tollgate.yaml says. */
export function simulatorOverrides(config: Config, env: Environment): Record<string, string> {
  const port = simulatorPort(env);
  if (port === SIMULATOR_PORT) return {};
  const overrides: Record<string, string> = {};
  for (const [name, { url }] of Object.entries(config.models)) {
    const target = new URL(url);
    if (target.hostname !== "127.0.0.1" || target.port !== String(SIMULATOR_PORT)) continue;
    target.port = String(port);
    const key = name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
    overrides[`TOLLGATE_MODELS__${key}__URL`] = target.toString();
  }
  return overrides;
}
