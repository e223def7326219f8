import { Fault } from "../../core/faults.ts";
import type { KeyRoute } from "../../core/key-record.ts";
import type { Principal } from "../ports.ts";

/** @throws {Fault} KEY_SCOPE when the key of a call may not be used for such routes */
export function checkRoute({ routes }: Principal, route: KeyRoute): void {
  if (routes === null || routes.includes(route)) return;
  throw new Fault(
    "KEY_SCOPE",
    `this key may ${routes.join(" and ")}; this takes one that may ${route}`,
  );
}

/** @throws {Fault} KEY_SCOPE when the key of a call may not be used for requests of a model */
export function checkModel(principal: Principal, model: string): void {
  if (mayUse(principal, model)) return;
  throw new Fault(
    "KEY_SCOPE",
    "this key may not be used for this model; GET /v1/models lists its own",
  );
}

export const mayUse = ({ models }: Principal, model: string): boolean =>
  models === null || models.includes(model);
