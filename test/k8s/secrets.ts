import { type Certificate, ofKind, type Secret } from "./resources.ts";
import type { Resource } from "./schemas/check-schema.ts";

/**
 * Secrets that no manifest contains, by their maker: an operator, or a person (docs/kubernetes.md).
 */
export const SECRETS_BY_HAND: Record<string, readonly string[]> = {
  "tollgate-secrets": ["encryption-keys", "key-pepper"],
  "redis-passwords": ["tollgate", "replication"],
  "backup-storage": ["access-key-id", "secret-access-key"],
};

/** The keys of every secret that will exist, by name: in the manifests, by certificate, operator or hand. */
export function secretKeys(resources: readonly Resource[]): Map<string, readonly string[]> {
  const keys = new Map<string, readonly string[]>();
  for (const { spec } of ofKind<Certificate>(resources, "Certificate"))
    keys.set(spec.secretName, ["ca.crt", "tls.crt", "tls.key"]);
  for (const { metadata } of ofKind(resources, "User"))
    keys.set(`${metadata.name}-user-credentials`, ["username", "password"]);
  for (const { metadata } of ofKind(resources, "Cluster"))
    keys.set(`${metadata.name}-app`, ["username", "password", "uri"]);
  for (const [name, names] of Object.entries(SECRETS_BY_HAND)) keys.set(name, names);
  for (const { metadata, data, stringData } of ofKind<Secret>(resources, "Secret"))
    keys.set(metadata.name, Object.keys({ ...data, ...stringData }));
  return keys;
}

/** The value that a manifest gives to a key of a secret; undefined: no manifest has it. */
export function secretValue(
  resources: readonly Resource[],
  { name, key }: { name: string; key: string },
): string | undefined {
  const secret = ofKind<Secret>(resources, "Secret").find(({ metadata }) => metadata.name === name);
  const encoded = secret?.data?.[key];
  return encoded === undefined ? secret?.stringData?.[key] : atob(encoded);
}
