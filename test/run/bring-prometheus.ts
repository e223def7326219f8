import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { findOrInstallPrometheus } from "../../local/observe/prometheus.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";

/**
 * Sees to it that Prometheus and its promtool are here for the tests; where they cannot be had, says so and
 * goes on.
 */
export async function bringTestPrometheus(progress: Progress, searchPath: string): Promise<void> {
  try {
    await findOrInstallPrometheus(progress, searchPath, "to run the tests that need it");
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    progress.say(`  Some tests are skipped: ${error.message}`);
  }
}
