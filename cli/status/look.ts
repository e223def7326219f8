import type { Operation } from "../operator/operate.ts";
import { type Condition, conditionsOf } from "./conditions.ts";
import { type ModelStatus, modelStatuses } from "./model-states.ts";
import { type Readings, readStatus } from "./reading.ts";

/** The state of a system at one moment, judged. */
export interface Look {
  readings: Readings;
  models: ModelStatus[];
  conditions: Condition[];
}

/** Reads and judges. Never throws: what does not answer is one of the conditions. */
export async function look(operation: Operation): Promise<Look> {
  const readings = await readStatus(operation);
  const models = modelStatuses(readings, operation.config);
  return { readings, models, conditions: conditionsOf(readings, models, operation.config) };
}

export const isFine = ({ conditions }: Look): boolean =>
  conditions.every(({ kind }) => kind === "note");
