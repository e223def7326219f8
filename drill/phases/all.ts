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

/** In the order in which they run. `apply` always does, the others when they are named. */
export const PHASES: readonly Phase[] = [
  apply,
  wake,
  triggers,
  services,
  deadModel,
  fallback,
  policies,
  rollOut,
  kills,
  helm,
];
