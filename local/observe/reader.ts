import { readerStep } from "../../adapters/postgres/reader-step.ts";
import type { StatePaths } from "../../adapters/state/paths.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { newPassword } from "../servers/password.ts";
import { readSource } from "../servers/state.ts";

const ROLE = "tollgate_reader";

/**
 * Returns a URL with which Grafana may read what its dashboards show, as anybody who may open it reads with
 * it: in a database of `up` by a role that is made for it, with a password of this start; else that of
 * GRAFANA_DATABASE_URL, or undefined.
 *
 * @throws {CommandFailure} when the role cannot be made
 */
export async function provideReader(
  paths: StatePaths,
  progress: Progress,
  env: Readonly<Record<string, string | undefined>>,
  postgres: string,
): Promise<string | undefined> {
  const given = env["GRAFANA_DATABASE_URL"];
  if (given !== undefined && given !== "") return given;
  // There others may have such a role, or we may make none.
  if (readSource(paths) === "url") return undefined;
  const password = newPassword();
  await readerStep({ url: postgres }, { role: ROLE, password }, progress);
  const url = new URL(postgres);
  url.username = ROLE;
  url.password = password;
  return url.toString();
}
