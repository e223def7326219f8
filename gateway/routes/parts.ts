import type { Accept } from "../accept.ts";
import type { Answer } from "../answer.ts";
import type { GatewayPorts, Principal } from "../ports.ts";
import type { StatusReader } from "../status.ts";

/** What routes work with. */
export interface RouteParts {
  ports: Pick<GatewayPorts, "config" | "log" | "metrics" | "now" | "hashKey">;
  answer: Answer;
  authenticate: (headers: Headers) => Principal | Promise<Principal>;
  accept: Accept;
  status: StatusReader;
  /** What answers and what does not. */
  readiness: () => Promise<Record<string, boolean>>;
  isDraining: () => boolean;
}
