import { dirname, join, relative } from "node:path";

/** The checkout that this command belongs to, whatever the current directory. */
export const PROJECT_ROOT = dirname(dirname(import.meta.dir));

/** Where a set of processes keeps its state. All below `dir` is ours; `down --purge` may delete it. */
export interface StatePaths {
  dir: string;
  /** State and data of the private servers. */
  servers: string;
  /** What runs now: the lock of `up`, the supervisor's view of its components. */
  run: string;
  logs: string;
  /** Certificates of `up --tls`. */
  tls: string;
  secretsEnv: string;
  demoUser: string;
  upJson: string;
  stack: string;
  lock: string;
}

export function statePaths(dir: string = join(PROJECT_ROOT, ".tollgate")): StatePaths {
  const run = join(dir, "run");
  return {
    dir,
    servers: join(dir, "servers"),
    run,
    logs: join(dir, "logs"),
    tls: join(dir, "tls"),
    secretsEnv: join(dir, "secrets.env"),
    demoUser: join(dir, "demo-user.json"),
    upJson: join(dir, "up.json"),
    stack: join(run, "stack.json"),
    lock: join(run, "up.lock"),
  };
}

/** A path as a person would type it from the checkout. */
export const shortPath = (path: string): string => {
  const short = relative(PROJECT_ROOT, path);
  return short.startsWith("..") ? path : short;
};
