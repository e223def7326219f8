/**
 * Makes UUIDv7s (RFC 9562) that only grow within this process, also when the clock steps back: the outbox
 * notes one id as the border between what is confirmed and what is not.
 */
export function createIdSource(): (atMs: number) => string {
  let lastMs = 0;
  let last = "";
  return (atMs) => {
    lastMs = Math.max(lastMs, atMs);
    let id = Bun.randomUUIDv7("hex", lastMs);
    // Bun's counter within a millisecond can run into the next one.
    while (id <= last) {
      lastMs += 1;
      id = Bun.randomUUIDv7("hex", lastMs);
    }
    last = id;
    return id;
  };
}
