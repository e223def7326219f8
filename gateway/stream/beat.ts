import { pause } from "../../runtime/schedule.ts";
import type { GatewayPorts } from "../ports.ts";
import type { EventWriter } from "./event-stream.ts";

/** Proxies and SDKs take a silent connection for dead. */
const HEARTBEAT_MS = 10_000;

/** Writes comments, which readers ignore, at once and now and then until the signal aborts. */
export async function beat(
  { schedule }: Pick<GatewayPorts, "schedule">,
  writer: Pick<EventWriter, "write">,
  signal: AbortSignal,
): Promise<void> {
  writer.write(": accepted\n\n");
  while (!signal.aborted) {
    await pause(schedule, HEARTBEAT_MS, signal);
    if (!signal.aborted) writer.write(": wait\n\n");
  }
}
