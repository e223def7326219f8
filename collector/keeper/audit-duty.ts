import { runAudit } from "../../core/audit/run-audit.ts";
import type { AuditPorts } from "../../core/audit/audit-ports.ts";
import { pause } from "../../runtime/schedule.ts";
import type { Process } from "../ports.ts";
import type { Duty } from "./duty.ts";
import { createRest } from "../../runtime/rest.ts";

/**
 * Compares the books of all users in the background and shows the result; it changes nothing. What reads
 * whole tables, or takes messages from their queues to look at them, is left to `tollgate audit`. It rests
 * after every page of users: a million of them read in one go would keep both servers busy for minutes.
 */
export function createAuditDuty(
  ports: AuditPorts & Process,
  { everyMs }: { everyMs: number },
): Duty {
  let notBeforeMs = 0;
  return {
    name: "audit",
    everyMs,
    run: async (signal) => {
      if (ports.now() < notBeforeMs) return;
      const rest = createRest(ports, signal);
      const report = await runAudit(
        { ...ports, pause: (ms, until) => pause(ports.schedule, ms, until) },
        { system: false, betweenPages: rest.take },
        signal,
      );
      if (signal.aborted) return;
      notBeforeMs = ports.now() + rest.dueMs();

      ports.metrics.quota_drift_tokens.set(report.driftTokens);
      ports.metrics.holds_open.set(report.holdsOpen);
      if (report.isConsistent) return;
      const { differencesTotal, driftTokens } = report;
      const sample = report.differences.slice(0, 10);
      ports.log.warn({ differencesTotal, driftTokens, sample }, "the books do not agree");
    },
    end: () => {
      ports.metrics.quota_drift_tokens.set(0);
      ports.metrics.holds_open.set(0);
    },
  };
}
