import type { KeptTiers } from "../config/keep-tiers.ts";
import type { Database } from "../postgres/connect.ts";
import { requireSchema } from "../postgres/schema-state.ts";
import { readTiers } from "../postgres/tiers.ts";

/**
 * Asks for a schema that this release can work with, and has the configuration remember the tiers in it.
 *
 * @throws as `requireSchema`
 */
export const askForSchema =
  (database: Database, config: Pick<KeptTiers, "remember">) => async (): Promise<void> => {
    await requireSchema(database);
    config.remember(await readTiers(database));
  };
