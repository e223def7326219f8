import { Fault } from "../../core/faults.ts";
import type { GatewayPorts } from "../ports.ts";
import type { Accept } from "./accept.ts";
import type { Store } from "./store.ts";

/**
 * Bounds the accepts under way, by number (`accepts_max`) and by bytes (`accepts_bytes_max`), before
 * anything is held. A row whose caller was refused while its insert goes on counts until the insert is
 * over. A single larger body is taken when nothing else is under way.
 *
 * @throws {Fault} OVERLOADED beyond the bound, and what `accept` throws
 */
export function boundAccepts(
  { config }: Pick<GatewayPorts, "config">,
  { outlived }: Pick<Store, "outlived">,
  accept: Accept,
): Accept {
  let callsUnderWay = 0;
  let callBytes = 0;

  function checkRoom(bodyBytes: number): void {
    const { accepts_max: max, accepts_bytes_max: bytesMax } = config().gateway;
    const rows = outlived();
    const underWay = callsUnderWay + rows.number;
    const isTooLarge = underWay > 0 && callBytes + rows.bytes + bodyBytes > bytesMax;
    if (underWay >= max || isTooLarge)
      throw new Fault(
        "OVERLOADED",
        "too many requests are being accepted at once; try again shortly",
      );
  }

  return async (call) => {
    const { bodyBytes } = call;
    checkRoom(bodyBytes);
    callsUnderWay += 1;
    callBytes += bodyBytes;
    try {
      return await accept(call);
    } finally {
      callsUnderWay -= 1;
      callBytes -= bodyBytes;
    }
  };
}
