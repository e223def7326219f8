import { describe, expect, test } from "bun:test";

import type { ClusterEvent } from "../kube/resources.ts";
import { activeTriggers, firstGrowth, readRescales } from "./rescales.ts";

const scaled = {
  spec: {
    triggers: [
      { type: "rabbitmq", name: "queue-length" },
      { type: "prometheus", name: "oldest-runnable" },
    ],
  },
};

const SELECTOR =
  "(&LabelSelector{MatchLabels:map[string]string{scaledobject.keda.sh/name: worker,},})";

const event = (second: number, message: string): ClusterEvent => ({
  reason: "SuccessfulRescale",
  message,
  lastTimestamp: `2026-11-21T10:00:0${second}Z`,
  involvedObject: { kind: "HorizontalPodAutoscaler", name: "keda-hpa-worker" },
});
const at = (second: number): number => Date.parse(`2026-11-21T10:00:0${second}Z`);

describe("what an autoscaler did", () => {
  test("names the trigger that asked for the replicas, by its place", () => {
    const events = [
      event(5, `New size: 4; reason: external metric s1-prometheus${SELECTOR} above target`),
      event(2, `New size: 2; reason: external metric s0-rabbitmq-%5Einf${SELECTOR} above target`),
    ];

    expect(readRescales(events, scaled)).toEqual([
      { atMs: at(2), replicas: 2, trigger: "queue-length" },
      { atMs: at(5), replicas: 4, trigger: "oldest-runnable" },
    ]);
  });

  test("names the processor and memory, and nothing where replicas are taken away", () => {
    const events = [
      event(
        1,
        "New size: 3; reason: cpu resource utilization (percentage of request) above target",
      ),
      event(2, "New size: 1; reason: All metrics below target"),
    ];

    expect(readRescales(events, scaled).map(({ trigger }) => trigger)).toEqual(["cpu", null]);
  });

  test("is not read from other events", () => {
    const failed = { ...event(1, "failed to get metric"), reason: "FailedGetExternalMetric" };

    expect(readRescales([failed], scaled)).toEqual([]);
  });

  test("first grew after the moment in question, counted in whole seconds", () => {
    const rescales = [
      { atMs: at(1), replicas: 5, trigger: "queue-length" },
      { atMs: at(3), replicas: 1, trigger: null },
      { atMs: at(4), replicas: 2, trigger: "oldest-runnable" },
    ];

    expect(firstGrowth(rescales, at(4) + 900)?.replicas).toBe(2);
    expect(firstGrowth(rescales, at(2))?.replicas).toBe(2);
    expect(firstGrowth(rescales, at(5))).toBeUndefined();
  });
});

test("active triggers are those that KEDA says are, by name", () => {
  const status = {
    triggersActivity: {
      "s0-rabbitmq-x": { isActive: false },
      "s1-prometheus": { isActive: true },
      "s7-gone": { isActive: true },
    },
  };

  expect(activeTriggers({ ...scaled, status })).toEqual(["oldest-runnable"]);
});
