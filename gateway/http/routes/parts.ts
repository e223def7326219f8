import type { Answer } from "../respond.ts";
import type { BoundedAccept } from "../../accept/bound-accepts.ts";
import type { Cancel } from "../../read/cancel.ts";
import type { ListRequests } from "../../read/list-requests.ts";
import type { GatewayPorts, Principal } from "../../ports.ts";
import type { StatusReader } from "../../read/status.ts";

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
