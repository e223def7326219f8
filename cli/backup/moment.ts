import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";

const FORM = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:?\d{2})?$/;

/**
 * A moment in Unix milliseconds; without a zone it is UTC, as all that our commands print.
 *
 * @throws {CommandFailure} when it is none
 */
export function parseMoment(text: string): number {
  const [, day, time, zone = "Z"] = FORM.exec(text) ?? [];
  const atMs = Date.parse(`${day}T${time}${zone}`);
  if (day !== undefined && Number.isFinite(atMs)) return atMs;
  throw new CommandFailure(
    `--to ${text} is not a moment: write it as 2026-11-28T09:15:00Z (without a zone it is UTC), or latest`,
    { exitCode: EXIT.usage },
  );
}
