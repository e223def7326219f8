import { runAudit } from "../audit.ts";
import type { AuditPorts, Process } from "../ports.ts";
import type { Duty } from "./duty.ts";

/** An audit of many users reads much of the ledger: it may take at most every tenth part of the time. */
const REST_PER_WORK = 9;

/**
 * Compares the books of all users in the background and shows the result; it changes nothing. What reads whole tables, or gives messages
 * back to their queues, is left to `tollgate audit`.
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
      const startedAtMs = ports.now();
      if (startedAtMs < notBeforeMs) return;
      const report = await runAudit(ports, { system: false }, signal);
      if (signal.aborted) return;
      const endedAtMs = ports.now();
      notBeforeMs = endedAtMs + REST_PER_WORK * (endedAtMs - startedAtMs);

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
