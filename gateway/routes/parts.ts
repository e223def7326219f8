import type { Answer } from "../answer.ts";
import type { BoundedAccept } from "../bound-accepts.ts";
import type { Cancel } from "../cancel.ts";
import type { ListRequests } from "../list-requests.ts";
import type { GatewayPorts, Principal } from "../ports.ts";
import type { StatusReader } from "../status.ts";

/** What routes work with. */
export interface RouteParts {
  ports: Pick<
    GatewayPorts,
    "config" | "log" | "now" | "hashKey" | "countTokens" | "readQuota" | "readUsage"
  >;
  answer: Answer;
  authenticate: (headers: Headers) => Principal | Promise<Principal>;
  accept: BoundedAccept;
  status: StatusReader;
  cancel: Cancel;
  listRequests: ListRequests;
  /** What answers and what does not. */
  readiness: () => Promise<Record<string, boolean>>;
  /** No more calls are wanted; those that come are still served until `isDraining`. */
  isLeaving: () => boolean;
  isDraining: () => boolean;
}
