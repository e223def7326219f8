import type { Accept } from "../../accept/accept.ts";
import type { KeyRoute } from "../../../core/key-record.ts";
import type { GatewayPorts, Principal } from "../../ports.ts";
import type { HoldCalls } from "../../openai/hold-call.ts";
import type { StreamAnswers } from "../../openai/stream-answer.ts";
import type { Cancel } from "../../read/cancel.ts";
import type { ListRequests } from "../../read/list-requests.ts";
import type { StatusReader } from "../../read/status.ts";
import type { ReadAlong } from "../../stream/read-along.ts";
import type { Readers } from "../../stream/readers.ts";
import type { WithBody } from "../body-bounds.ts";
import type { Respond } from "../respond.ts";

/** What routes work with. */
export interface RouteParts {
  ports: Pick<
    GatewayPorts,
    "config" | "log" | "now" | "schedule" | "countTokens" | "readQuota" | "readUsage"
  >;
  respond: Respond;
  /** Whose API key a call carries, which must be for such routes. @throws {Fault} KEY_SCOPE */
  authenticate: (headers: Headers, route: KeyRoute) => Promise<Principal>;
  withBody: WithBody;
  accept: Accept;
  calls: HoldCalls;
  streams: StreamAnswers;
  readers: Pick<Readers, "check">;
  readAlong: ReadAlong;
  status: StatusReader;
  cancel: Cancel;
  listRequests: ListRequests;
  /** Which servers can be reached, by name. */
  readiness: () => Promise<Record<string, boolean>>;
  /** No more calls are wanted; those that come are still served until `isDraining`. */
  isLeaving: () => boolean;
  isDraining: () => boolean;
}
