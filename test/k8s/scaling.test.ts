import { describe, expect, test } from "bun:test";

import { topology } from "../../adapters/amqp/topology.ts";
import type { CapacityReport } from "../../cli/capacity-report.ts";
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { built, installations } from "./built.ts";
import { configOf } from "./config.ts";
import { metricsOf, nameProblems, rolesOf } from "./promql.ts";
import {
  isWorkload,
  ofKind,
  type ScaledObject,
  type Trigger,
  type TriggerAuthentication,
} from "./resources.ts";
import { type Resource, schemaProblems } from "./schemas/check-schema.ts";
import { loadSchemas } from "./schemas/bundle.ts";

const schemas = await loadSchemas();
const { scalers } = schemas;
/** Models are named by operators: also like other queues. */
const TOPOLOGY = topology({
  prefix: "",
  defaultModel: "default",
  models: ["default", "qwen2.5-7b", "org/model:1", "dead", "wait.1000"],
  retryDelaysMs: [1_000],
});
const QUEUES = [...TOPOLOGY.queues, ...TOPOLOGY.retriesOfBefore].map(({ name }) => name);
const MODEL_QUEUES = TOPOLOGY.models.map(({ queue }) => queue.name);
/** RabbitMQ's management API lists no more at once, and KEDA reads one page. */
const PAGE_MAX = 500;
/** Keys that KEDA hands to strconv.ParseFloat. */
const NUMBERS = ["value", "threshold", "activationValue", "activationThreshold"];

/** Those that are scaled to zero, or may be (docs/scaling.md). */
const MAY_BE_ZERO = ["worker", "ml"];

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

const prometheusTriggers = (
  resources: readonly Resource[],
): [owner: ScaledObject, trigger: Trigger][] =>
  triggers(resources).filter(([, { type }]) => type === "prometheus");

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

    test("count the messages of all models, the unacknowledged ones too, and no others", () => {
      const rabbitmq = triggers(resources).filter(([, { type }]) => type === "rabbitmq");

      expect(rabbitmq.length).toBeGreaterThan(0);
      for (const [, { metadata }] of rabbitmq) {
        const pattern = new RegExp(metadata["queueName"] ?? "");
        expect(QUEUES.filter((name) => pattern.test(name))).toEqual(MODEL_QUEUES);
        expect(metadata).toMatchObject({
          protocol: "http",
          useRegex: "true",
          operation: "sum",
          excludeUnacknowledged: "false",
        });
        expect(Number(metadata["pageSize"])).toBe(PAGE_MAX);
      }
    });

    test("see in Prometheus the depths of the queues of all models, and no others", () => {
      const patterns = prometheusTriggers(resources).flatMap(([, { metadata }]) =>
        [...(metadata["query"] ?? "").matchAll(/queue=~("(?:[^"\\]|\\.)*")/g)].map(
          ([, text = ""]) => new RegExp(`^(?:${JSON.parse(text) as string})$`),
        ),
      );

      expect(patterns.length).toBeGreaterThan(0);
      for (const pattern of patterns)
        expect(QUEUES.filter((name) => pattern.test(name))).toEqual(MODEL_QUEUES);
    });

    test("ask for one worker per as many messages of one model as one executes at once", () => {
      const { worker, models } = configOf(resources, "worker");
      const atOnce = Object.values(models).map(({ concurrency_max }) =>
        Math.min(worker.actors, concurrency_max),
      );
      const values = triggers(resources)
        .filter(([, { type }]) => type === "rabbitmq")
        .map(([, { metadata }]) => Number(metadata["value"]));

      expect(values).toEqual([Math.min(...atOnce)]);
    });

    test("have the rounded thresholds of `tollgate capacity` for the documented example", async () => {
      const { workerTokensRunnable, workerTokensPerMinute, mlRequestsRunnable, mlTokensPerMinute } =
        await exampleThresholds();
      const thresholdOf = (owner: string, name: string): number =>
        Number(
          triggers(resources).find(
            ([{ metadata }, trigger]) => metadata.name === owner && trigger.name === name,
          )?.[1].metadata["threshold"],
        );

      const written = [
        [thresholdOf("worker", "tokens-runnable"), workerTokensRunnable],
        [thresholdOf("worker", "token-rate"), workerTokensPerMinute],
        [thresholdOf("ml", "runnable"), mlRequestsRunnable],
        [thresholdOf("ml", "token-rate"), mlTokensPerMinute],
      ] as const;
      for (const [threshold, computed] of written)
        expect(Math.abs(threshold / computed - 1)).toBeLessThan(0.05);
    });

    test("ask Prometheus for metrics that exist, in their own namespace", () => {
      for (const [owner, { metadata }] of prometheusTriggers(resources)) {
        const query = metadata["query"] ?? "";

        expect(nameProblems(query, new Set())).toEqual([]);
        for (const [, namespace] of query.matchAll(/namespace="([^"]*)"/g))
          expect(namespace).toBe(owner.metadata.namespace);
        expect(query.match(/namespace="/g)?.length).toBe(rolesOf(query).length);
      }
    });

    test("scale only by what a role exports that is never scaled to zero", () => {
      for (const [, { metadata }] of prometheusTriggers(resources)) {
        for (const roles of rolesOf(metadata["query"] ?? ""))
          expect(roles.some((role) => role !== "worker")).toBe(true);
      }
    });

    test("scale workers only by what can run", () => {
      const read = prometheusTriggers(resources)
        .filter(([{ metadata }]) => metadata.name === "worker")
        .flatMap(([, { metadata }]) => metricsOf(metadata["query"] ?? ""));

      expect(read.map(({ name }) => name).filter((name) => name.includes("_waiting"))).toEqual([]);
    });

    test("wake a model server by what waits for it, to one replica and no more", () => {
      const waking = prometheusTriggers(resources).filter(([, { metadata }]) =>
        metadata["query"]?.includes("gateway_requests_waiting"),
      );

      expect(waking.map(([{ metadata }]) => metadata.name)).toEqual(["ml"]);
      for (const [, { metricType, metadata }] of waking) {
        expect(metricType).toBe("AverageValue");
        expect(metadata["query"]).toMatch(/^clamp_max\(.*, 1\)$/);
        expect(metadata).toMatchObject({ threshold: "1", activationThreshold: "0" });
      }
    });

    test("wake from zero by an error rather than by silence when Prometheus has lost a metric", () => {
      const waking = prometheusTriggers(resources).filter(
        ([owner, { metadata }]) =>
          MAY_BE_ZERO.includes(owner.metadata.name) &&
          Number(metadata["activationThreshold"] ?? 1e9) < 1e9,
      );

      expect(new Set(waking.map(([, { name }]) => name))).toEqual(
        new Set(["oldest-runnable", "tokens-runnable", "waiting", "runnable"]),
      );
      for (const [, { metadata }] of waking) expect(metadata["ignoreNullValues"]).toBe("false");
    });
  },
);

test("docs/scaling.md has a scaled object for one more ML service, as ours but for its models", async () => {
  const page = await Bun.file(`${PROJECT_ROOT}/docs/scaling.md`).text();
  const [, example = ""] = /^```yaml\n([\s\S]*?)^```$/m.exec(page) ?? [];
  const scaled = Bun.YAML.parse(example) as ScaledObject;
  const shipped = Bun.YAML.parse(
    await Bun.file(`${PROJECT_ROOT}/k8s/base/scaling/ml.yaml`).text(),
  ) as ScaledObject;
  const ofAllModels = ({
    metadata: { query = "", ...metadata },
    ...trigger
  }: Trigger): Trigger => ({
    ...trigger,
    metadata: { ...metadata, query: query.replaceAll(/,model=~"[^"]+"/g, "") },
  });
  const prometheus = shipped.spec.triggers.filter(({ type }) => type === "prometheus");

  expect(schemaProblems(scaled, schemas)).toEqual([]);
  expect(scaled.spec.triggers.map(ofAllModels)).toEqual(prometheus);
  for (const { metadata } of scaled.spec.triggers)
    expect(metadata["query"]).toContain('model=~"coder|coder-chat"');
});
