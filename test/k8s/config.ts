import { parseConfig } from "../../core/config/parse.ts";
import type { Config } from "../../core/config/schema.ts";
import { type ConfigMap, isWorkload, ofKind, type PodSpec, type Workload } from "./resources.ts";
import type { Resource } from "./schemas/check-schema.ts";
import { secretValue } from "./secrets.ts";

export const podOf = ({ spec }: Workload): PodSpec => spec.template.spec;

/** @throws when the resources have no workload of that name */
export function workload(resources: readonly Resource[], name: string): Workload {
  const found = resources.filter(isWorkload).find(({ metadata }) => metadata.name === name);
  if (found === undefined) throw new Error(`there is no workload ${name}`);
  return found;
}

/** A name without the hash that kustomize's generators append. */
const plainName = (name: string): string => name.replace(/-[a-z0-9]{10}$/, "");

/**
 * The configuration as one role sees it: the mounted file and its environment, secrets that no manifest has
 * replaced by stand-ins.
 */
export function configOf(resources: readonly Resource[], role: string): Config {
  const config = ofKind<ConfigMap>(resources, "ConfigMap").find(
    ({ metadata }) => plainName(metadata.name) === "tollgate-config",
  );
  const env = Object.fromEntries(
    (podOf(workload(resources, role)).containers[0]?.env ?? [])
      .filter(({ name }) => name !== "TOLLGATE_CONFIG")
      .map(({ name, value, valueFrom }) => [
        name,
        value ?? (valueFrom?.secretKeyRef && secretValue(resources, valueFrom.secretKeyRef)),
      ]),
  );
  return parseConfig(Bun.YAML.parse(config?.data?.["tollgate.yaml"] ?? ""), {
    ...env,
    TOLLGATE_SECRETS__ENCRYPTION_KEYS: "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    TOLLGATE_SECRETS__KEY_PEPPER: "a-pepper-of-thirty-two-characters!",
  });
}
