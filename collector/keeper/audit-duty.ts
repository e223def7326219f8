import { runAudit } from "../audit.ts";
import type { AuditPorts, Process } from "../ports.ts";
import type { Duty } from "./duty.ts";

/** Compares the books in the background and shows the result; it changes nothing. */
export function createAuditDuty(
  ports: AuditPorts & Process,
  { everyMs }: { everyMs: number },
): Duty {
  return {
    name: "audit",
    everyMs,
    run: async (signal) => {
      // Without looking into the queues: reading a message there is not free of effects.
      const { browseQueues: _, ...books } = ports;
      const report = await runAudit(books, {}, signal);
      if (signal.aborted) return;
      ports.metrics.quota_drift_tokens.set(report.driftTokens);
      ports.metrics.holds_open.set(report.holdsOpen);
      if (report.isConsistent) return;
      const { differencesTotal, driftTokens } = report;
      const sample = report.differences.slice(0, 10);
      ports.log.warn({ differencesTotal, driftTokens, sample }, "the books do not agree");
    },
  };
}
