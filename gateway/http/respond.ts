import { type Fault, toFault } from "../../core/faults.ts";
import type { GatewayPorts } from "../ports.ts";
import { problemResponse } from "./problem.ts";

type Ports = Pick<GatewayPorts, "metrics" | "log" | "now">;

/**
 * Runs the work of a route and turns whatever happens into a response, counted and timed under the route's
 * name. Never rejects.
 */
export type Respond = (route: string, work: () => Promise<Response>) => Promise<Response>;

export function createRespond({ metrics, log, now }: Ports): Respond {
  return async (route, work) => {
    const startedAtMs = now();
    let response: Response;
    let fault: Fault | undefined;
    try {
      response = await work();
    } catch (error) {
      fault = toFault(error);
      if (fault.spec.domain === "platform") log.warn({ err: fault, route }, "call failed");
      response = problemResponse(fault);
    }
    metrics.gateway_requests_total.add(
      1,
      route,
      fault?.code ?? String(response.status),
      fault?.spec.domain ?? "none",
    );
    metrics.gateway_request_duration_seconds.observe((now() - startedAtMs) / 1_000, route);
    return response;
  };
}
