import { expect, test } from "bun:test";

import { seededRandom } from "../../ml-sim/faults.ts";
import { drawVictim, type Victims } from "./draw-victim.ts";

const whole: Victims = new Map([
  ["gateway", ["gateway-a", "gateway-b"]],
  ["worker", []],
  ["postgres", ["postgres-0"]],
  ["redis", ["redis-0"]],
  ["rabbitmq", ["rabbitmq-0"]],
]);

function drawMany(victims: Victims): Set<string> {
  const random = seededRandom(7);
  return new Set(Array.from({ length: 200 }, () => drawVictim(victims, random)?.pod ?? "none"));
}

test("every pod that is ready may be drawn, and no other", () => {
  const pods = ["gateway-a", "gateway-b", "postgres-0", "rabbitmq-0", "redis-0"];

  expect([...drawMany(whole)].toSorted()).toEqual(pods);
});

test("while a server is away, none of the others is drawn", () => {
  const broken = new Map([...whole, ["redis", []]]);

  expect([...drawMany(broken)].toSorted()).toEqual(["gateway-a", "gateway-b"]);
});

test("where nothing is ready, nobody is drawn", () => {
  expect(drawVictim(new Map([["gateway", []]]), () => 0)).toBeUndefined();
});

test("a seed draws the same pods in the same order", () => {
  const draw = (): (string | undefined)[] => {
    const random = seededRandom(11);
    return Array.from({ length: 20 }, () => drawVictim(whole, random)?.pod);
  };

  expect(draw()).toEqual(draw());
});
