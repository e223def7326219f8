import { Fault } from "../../core/faults.ts";
import type { Accept, Accepted } from "./accept.ts";
import type { GatewayPorts } from "../ports.ts";

/** `Accept` for a body of `bodyBytes`, as it was sent. @throws {Fault} OVERLOADED before anything is held, and what `Accept` throws */
export type BoundedAccept = (bodyBytes: number, ...call: Parameters<Accept>) => Promise<Accepted>;

/** Bounds the accepts under way, by number and by bytes; a single larger body is taken when nothing else is under way. */
export function boundAccepts(
  { config }: Pick<GatewayPorts, "config">,
  accept: Accept,
): BoundedAccept {
  let underWay = 0;
  let bytesUnderWay = 0;
  return async (bodyBytes, ...call) => {
    const { accepts_max: max, accepts_bytes_max: bytesMax } = config().gateway;
    if (underWay >= max || (underWay > 0 && bytesUnderWay + bodyBytes > bytesMax))
      throw new Fault(
        "OVERLOADED",
        "too many requests are being accepted at once; try again shortly",
      );
    underWay += 1;
    bytesUnderWay += bodyBytes;
    try {
      return await accept(...call);
    } finally {
      underWay -= 1;
      bytesUnderWay -= bodyBytes;
    }
  };
}
