import { callHere, type CallerTls } from "../../adapters/process/direct.ts";
import type { Settings as SimSettings } from "../../ml-sim/settings.ts";
import type { SimTotals } from "../../ml-sim/stats.ts";

/** The simulated ML service, seen and changed from outside. */
export interface SimulatorControl {
  /** Changes some of its settings. */
  set: (change: Partial<SimSettings>) => Promise<void>;
  stats: () => Promise<SimTotals>;
}

/** `tls`: with which it is called; undefined: plain text. */
export function createSimulatorControl(url: string, tls?: CallerTls): SimulatorControl {
  return {
    set: async (change) => {
      const reply = await fetch(`${url}/sim/settings`, {
        ...callHere(tls),
        method: "POST",
        body: JSON.stringify(change),
        signal: AbortSignal.timeout(5_000),
      });
      if (!reply.ok) throw new Error(`the simulator refused ${JSON.stringify(change)}`);
    },
    stats: async () => {
      const reply = await fetch(`${url}/sim/stats`, {
        ...callHere(tls),
        signal: AbortSignal.timeout(5_000),
      });
      return (await reply.json()) as SimTotals;
    },
  };
}
