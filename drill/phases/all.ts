import type { Phase } from "../phase.ts";
import { apply } from "./apply.ts";
import { deadModel } from "./dead-model.ts";
import { fallback } from "./fallback.ts";
import { helm } from "./helm.ts";
import { kills } from "./kills.ts";
import { policies } from "./policies.ts";
import { rollOut } from "./roll-out.ts";
import { services } from "./services.ts";
import { triggers } from "./triggers.ts";
import { wake } from "./wake.ts";

/** In the order in which they run; those of one round do so at once. `apply` always does. */
export const ROUNDS: readonly (readonly Phase[])[] = [
  [apply],
  [wake],
  [triggers],
  [services],
  [deadModel],
  [fallback],
  [policies],
  [rollOut],
  // In a namespace of its own, which nobody kills.
  [kills, helm],
];
