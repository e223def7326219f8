import type { CallerTls } from "../adapters/process/direct.ts";
import { callerFiles, listenerEnvironment, type LocalTls } from "./tls/local-tls.ts";
import type { Config } from "../core/config/schema.ts";
import { ROLE_FACTS, ROLES, type Role, withheldFrom } from "./roles.ts";

export interface ComponentPort {
  /** The environment variable that changes it. */
  variable: string;
  number: number;
}

/** One process of `up`: there is one of each role. */
export interface ComponentPlan {
  name: Role;
  /** What Bun runs, from the checkout. */
  entry: string;
  /** Ports that it listens on. */
  ports: readonly ComponentPort[];
  /** Responds with 200 once the component can work. */
  healthUrl: string;
  /** With which that is called; undefined: plain text. */
  tls: CallerTls;
  /** On top of what all components get. */
  env: Readonly<Record<string, string>>;
}

type Environment = Record<string, string | undefined>;

/** The port in the simulator's URLs in tollgate.yaml. */
const SIMULATOR_PORT = 9100;

const simulatorPort = (env: Environment): number =>
  Number(env[ROLE_FACTS.simulator.ownPort] ?? "") || SIMULATOR_PORT;

const schemeOf = (tls: LocalTls | undefined): string => (tls === undefined ? "http" : "https");

export const simulatorUrl = (env: Environment, tls?: LocalTls): string =>
  `${schemeOf(tls)}://127.0.0.1:${simulatorPort(env)}`;

/** The processes of `up`, in the order of their start. */
export function describeComponents(
  config: Config,
  env: Environment,
  tls?: LocalTls,
): ComponentPlan[] {
  return ROLES.map((name) => {
    const { entry, apiPort, ownPort, healthPath, env: roleEnv } = ROLE_FACTS[name];
    const own = {
      variable: ownPort,
      number: name === "simulator" ? simulatorPort(env) : config[name].metrics_port,
    };
    const api = apiPort === undefined ? [] : [{ variable: apiPort, number: config.gateway.port }];
    return {
      name,
      entry,
      ports: [...api, own],
      healthUrl: `${schemeOf(tls)}://127.0.0.1:${own.number}${healthPath}`,
      tls: tls && callerFiles(tls),
      // What the variable says may be empty or no number.
      env: {
        ...roleEnv,
        ...withheldFrom(name),
        ...(name === "simulator" && { [ownPort]: String(own.number) }),
        ...(tls && listenerEnvironment(name, tls)),
      },
    };
  });
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

/**
 * Overrides that lead models to the simulator when it listens on another port than tollgate.yaml says, or
 * encrypted.
 */
export function simulatorOverrides(
  config: Config,
  env: Environment,
  tls?: LocalTls,
): Record<string, string> {
  const port = simulatorPort(env);
  if (port === SIMULATOR_PORT && tls === undefined) return {};
  const overrides: Record<string, string> = {};
  for (const [name, { url }] of Object.entries(config.models)) {
    const target = new URL(url);
    if (target.hostname !== "127.0.0.1" || target.port !== String(SIMULATOR_PORT)) continue;
    target.port = String(port);
    target.protocol = schemeOf(tls);
    const prefix = `TOLLGATE_MODELS__${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`;
    overrides[`${prefix}__URL`] = target.toString();
    for (const [kind, file] of Object.entries(tls === undefined ? {} : callerFiles(tls)))
      overrides[`${prefix}__TLS__${kind.toUpperCase()}`] = file;
  }
  return overrides;
}
