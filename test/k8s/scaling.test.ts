import { describe, expect, test } from "bun:test";

import { topology } from "../../adapters/amqp/topology.ts";
import type { CapacityReport } from "../../cli/capacity-report.ts";
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { built, installations } from "./built.ts";
import { configOf } from "./config.ts";
import { nameProblems, rolesOf } from "./promql.ts";
import {
  isWorkload,
  ofKind,
  type ScaledObject,
  type Trigger,
  type TriggerAuthentication,
} from "./resources.ts";
import type { Resource } from "./schemas/check-schema.ts";
import { loadSchemas } from "./schemas/bundle.ts";

const { scalers } = await loadSchemas();
const QUEUES = new Set(
  topology({ prefix: "", defaultModel: "default", models: [], retryDelaysMs: [1_000] }).queues.map(
    ({ name }) => name,
  ),
);
/** Keys that KEDA hands to strconv.ParseFloat. */
const NUMBERS = ["value", "threshold", "activationValue", "activationThreshold"];

/** Replicas that the product promises. */
const BOUNDS: Record<string, string> = {
  gateway: "2 to 10",
  worker: "0 to 100",
  ml: "1 to 20",
};

/**
 * What `tollgate capacity` prints for the example of docs/scaling.md. The numbers in the manifests come from
 * it.
 */
async function exampleThresholds(): Promise<CapacityReport["plan"]["thresholds"]> {
  const page = await Bun.file(`${PROJECT_ROOT}/docs/scaling.md`).text();
  const [, flags = ""] = /^\.\/tollgate capacity (.*)$/m.exec(page) ?? [];
  const { stdout } = Bun.spawnSync(
    [process.execPath, "cli/main.ts", "capacity", ...flags.split(" "), "--json"],
    { cwd: PROJECT_ROOT },
  );
  return (JSON.parse(stdout.toString()) as CapacityReport).plan.thresholds;
}

const scaledObjects = (resources: readonly Resource[]): ScaledObject[] =>
  ofKind<ScaledObject>(resources, "ScaledObject");

const triggers = (resources: readonly Resource[]): [owner: ScaledObject, trigger: Trigger][] =>
  scaledObjects(resources).flatMap((one) =>
    one.spec.triggers.map((trigger): [ScaledObject, Trigger] => [one, trigger]),
  );

/** Parameters that a trigger gets from its TriggerAuthentication. */
function authenticated(resources: readonly Resource[], { authenticationRef }: Trigger): string[] {
  if (authenticationRef === undefined) return [];
  const found = ofKind<TriggerAuthentication>(resources, "TriggerAuthentication").find(
    ({ metadata }) => metadata.name === authenticationRef.name,
  );
  if (found === undefined) throw new Error(`there is no ${authenticationRef.name}`);
  const { secretTargetRef = [], configMapTargetRef = [] } = found.spec;
  return [...secretTargetRef, ...configMapTargetRef].map(({ parameter }) => parameter);
}

describe.skipIf(built === null).each(installations)(
  "scaled objects of k8s/%s",
  (_root, resources) => {
    test("scale between the promised bounds, what exists", () => {
      const workloads = new Set(resources.filter(isWorkload).map(({ metadata }) => metadata.name));

      for (const { metadata, spec } of scaledObjects(resources)) {
        expect(workloads).toContain(spec.scaleTargetRef.name);
        const bounds = `${spec.minReplicaCount} to ${spec.maxReplicaCount}`;
        expect(bounds).toBe(BOUNDS[metadata.name] ?? "not to be scaled");
      }
      expect(scaledObjects(resources).length).toBe(Object.keys(BOUNDS).length);
    });

    test("own the replicas of their target alone", () => {
      const targets = new Set(scaledObjects(resources).map(({ spec }) => spec.scaleTargetRef.name));
      const rivals = resources
        .filter(isWorkload)
        .filter(({ metadata, spec }) => targets.has(metadata.name) && spec.replicas !== undefined);

      expect(rivals).toEqual([]);
    });

    test("give each trigger the keys that KEDA's scaler reads, and all that it must have", () => {
      const problems = triggers(resources).flatMap(([owner, trigger]) => {
        const keys = scalers[trigger.type] ?? {};
        const given = Object.keys(trigger.metadata);
        const parameters = authenticated(resources, trigger);
        const reads = (key: string, from: string): boolean =>
          keys[key]?.from.includes(from) ?? false;
        return [
          ...given.filter((key) => !reads(key, "triggerMetadata")),
          ...parameters.filter((key) => !reads(key, "authParams")),
          ...Object.entries(keys)
            .filter(([key, { optional }]) => !optional && ![...given, ...parameters].includes(key))
            .map(([key]) => `${key} is missing`),
        ].map((problem) => `${owner.metadata.name}/${trigger.name}: ${problem}`);
      });

      expect(problems).toEqual([]);
    });

    test("write thresholds as numbers in strings", () => {
      for (const [, { metadata }] of triggers(resources)) {
        for (const key of NUMBERS.filter((name) => name in metadata)) {
          expect(metadata[key]).toBeString();
          expect(Number(metadata[key])).not.toBeNaN();
        }
      }
    });

    test("count messages of queues of the topology, the unacknowledged ones too", () => {
      const rabbitmq = triggers(resources).filter(([, { type }]) => type === "rabbitmq");

      expect(rabbitmq.length).toBeGreaterThan(0);
      for (const [, { metadata }] of rabbitmq) {
        expect([...QUEUES]).toContain(metadata["queueName"] ?? "");
        expect(metadata["protocol"]).toBe("http");
        expect(metadata["excludeUnacknowledged"]).toBe("false");
      }
    });

    test("ask for one worker per as many messages as one executes at once", () => {
      const { worker, models, default_model } = configOf(resources, "worker");
      const atOnce = Math.min(worker.actors, models[default_model]?.concurrency_max ?? 0);
      const values = triggers(resources)
        .filter(([, { type }]) => type === "rabbitmq")
        .map(([, { metadata }]) => Number(metadata["value"]));

      expect(values).toEqual([atOnce]);
    });

    test("have the rounded thresholds of `tollgate capacity` for the documented example", async () => {
      const { workerTokensWaiting, workerTokensPerMinute, mlTokensPerMinute } =
        await exampleThresholds();
      const thresholdOf = (owner: string, name: string): number =>
        Number(
          triggers(resources).find(
            ([{ metadata }, trigger]) => metadata.name === owner && trigger.name === name,
          )?.[1].metadata["threshold"],
        );

      const written = [
        [thresholdOf("worker", "tokens-waiting"), workerTokensWaiting],
        [thresholdOf("worker", "token-rate"), workerTokensPerMinute],
        [thresholdOf("ml", "token-rate"), mlTokensPerMinute],
      ] as const;
      for (const [threshold, computed] of written)
        expect(Math.abs(threshold / computed - 1)).toBeLessThan(0.05);
    });

    test("ask Prometheus for metrics that exist, in their own namespace", () => {
      for (const [owner, { metadata }] of triggers(resources).filter(
        ([, t]) => t.type === "prometheus",
      )) {
        const query = metadata["query"] ?? "";

        expect(nameProblems(query, new Set())).toEqual([]);
        for (const [, namespace] of query.matchAll(/namespace="([^"]*)"/g))
          expect(namespace).toBe(owner.metadata.namespace);
        expect(query.match(/namespace="/g)?.length).toBe(rolesOf(query).length);
      }
    });

    test("scale only by what a role exports that is never scaled to zero", () => {
      for (const [, { metadata }] of triggers(resources).filter(
        ([, t]) => t.type === "prometheus",
      )) {
        for (const roles of rolesOf(metadata["query"] ?? ""))
          expect(roles.some((role) => role !== "worker")).toBe(true);
      }
    });

    test("wake from zero by an error rather than by silence when Prometheus has lost a metric", () => {
      const waking = triggers(resources).filter(
        ([{ spec }, { type, metadata }]) =>
          spec.minReplicaCount === 0 &&
          type === "prometheus" &&
          Number(metadata["activationThreshold"] ?? 0) < 1e9,
      );

      expect(waking.map(([, { name }]) => name)).toEqual(["oldest-waiting", "tokens-waiting"]);
      for (const [, { metadata }] of waking) expect(metadata["ignoreNullValues"]).toBe("false");
    });
  },
);
