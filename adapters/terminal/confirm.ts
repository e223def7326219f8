import { CommandFailure, EXIT } from "./failure.ts";

/**
 * Asks a person whether they mean it, unless they have said so by `--yes`. `what` is what would be done, such
 * as `drop 5 dead letters`.
 *
 * @throws {CommandFailure} when they do not, or nobody can be asked
 */
export function requireYes(isSaid: boolean, what: string): void {
  if (isSaid) return;
  if (!process.stdin.isTTY)
    throw new CommandFailure(`this would ${what}: add --yes to say that you mean it`, {
      exitCode: EXIT.usage,
    });
  const [first = "", ...rest] = what;
  const answer = prompt(`${first.toUpperCase()}${rest.join("")}? [y/N]`);
  if (!/^y(es)?$/i.test(answer ?? "")) throw new CommandFailure("nothing was done");
}
