import { join } from "node:path";

import type { CallerTls } from "../../adapters/process/direct.ts";
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";

/** A configuration file, or changes of one. */
export type Settings = { [key: string]: Setting };
type Setting = Settings | string | number | boolean | null | readonly (string | number)[];

const isTree = (value: Setting | undefined): value is Settings =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `changes` over `base`, tree by tree; a list or a value replaces what is there. */
export function mergeSettings(base: Settings, changes: Settings): Settings {
  const merged: Settings = { ...base };
  for (const [key, change] of Object.entries(changes)) {
    const old = merged[key];
    merged[key] = isTree(old) && isTree(change) ? mergeSettings(old, change) : change;
  }
  return merged;
}

/** The configuration that the repository ships. */
export async function readShippedSettings(): Promise<Settings & { models: Settings }> {
  const text = await Bun.file(join(PROJECT_ROOT, "tollgate.yaml")).text();
  return Bun.YAML.parse(text) as Settings & { models: Settings };
}

/** Where the simulators are. */
interface Simulators {
  /** Base URL of the one that the models share. */
  url: string;
  /** Of the models that have one of their own. */
  ownUrls: ReadonlyMap<string, string>;
  /** With which they are called. */
  tls: CallerTls;
}

/**
 * The configuration that the repository ships, with its models at the given simulator, more models at
 * simulators of their own, and `changes` on top.
 */
export async function stackSettings(
  { url: simulatorUrl, ownUrls, tls }: Simulators,
  changes: Settings,
): Promise<Settings> {
  const shipped = await readShippedSettings();
  const models = Object.entries(shipped.models as Record<string, { url: string }>).map(
    ([name, { url }]): [string, Settings] => [
      name,
      { url: `${simulatorUrl}${new URL(url).pathname}`, ...(tls && { tls }) },
    ],
  );
  for (const [model, url] of ownUrls)
    models.push([
      model,
      { protocol: "openai-chat", url: `${url}/v1/chat/completions`, ...(tls && { tls }) },
    ]);
  return mergeSettings(mergeSettings(shipped, { models: Object.fromEntries(models) }), changes);
}
