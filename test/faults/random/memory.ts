import type { Component } from "../../../local/stack/component.ts";

export interface MemoryReading {
  name: string;
  beforeBytes: number;
  afterBytes: number;
}

const MIB = 1024 * 1024;
/**
 * How much a process may grow between a warm beginning and the quiet end. Garbage that is not collected yet
 * is part of it.
 */
const GROWTH_MAX_BYTES = 150 * MIB;

export function readMemory(components: readonly Component[]): Map<string, number> {
  return new Map(components.map((component) => [component.name, component.memoryBytes() ?? 0]));
}

/** Processes that have grown beyond what is allowed. */
export function grownProcesses(readings: readonly MemoryReading[]): string[] {
  return readings
    .filter(({ beforeBytes, afterBytes }) => afterBytes - beforeBytes > GROWTH_MAX_BYTES)
    .map(({ name }) => name);
}

export function formatMemory(readings: readonly MemoryReading[]): string {
  const mib = (bytes: number): string => `${Math.round(bytes / MIB)} MiB`;
  return readings
    .map(({ name, beforeBytes, afterBytes }) => `${name} ${mib(beforeBytes)} → ${mib(afterBytes)}`)
    .join(", ");
}
