import { randomUUIDv7 } from "bun";

/** A prefix for the names of queues that nobody else uses. */
export function uniqueQueuePrefix(): string {
  return `test-${randomUUIDv7().slice(-12)}.`;
}
