/**
 * What is wrong with a repository, a line each, by what `pgbackrest verify --output=text --verbose` prints.
 * Its exit code says nothing: 2.45 ends with 0 whatever it has found, and a backup without a manifest it
 * passes over, so every backup that is known must be named and valid.
 */
export function damagesOf(lines: readonly string[], labels: readonly string[]): string[] {
  const said = lines.flatMap((line) => {
    const [, what] =
      /(?:INFO|WARN|DETAIL|ERROR): ((?:file missing|invalid|unable|manifest missing) .*)/.exec(
        line,
      ) ?? [];
    return what === undefined ? [] : [what];
  });
  const valid = new Set(
    lines.flatMap((line) => /backup: (\S+), status: valid,/.exec(line)?.[1] ?? []),
  );
  const unsound = labels.filter((label) => !valid.has(label));
  const isRefused = lines.some((line) => line.startsWith("status: error"));
  const found = [...said, ...unsound.map((label) => `the backup ${label} cannot be restored`)];
  return isRefused && found.length === 0
    ? ["pgBackRest finds an error that it does not name"]
    : found;
}

/** A segment of WAL as PostgreSQL names it: timeline, log and number in it, eight hexadecimal digits each. */
interface Segment {
  timeline: number;
  position: number;
}

const SEGMENT = /(?:^|\/)([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})-[0-9a-f]{40}(?:\.\w+)?$/;
/** Segments of 16 MiB, as initdb makes them, in a log of 4 GiB. */
const SEGMENTS_PER_LOG = 0x100;

function segmentOf(file: string): Segment | undefined {
  const [timeline, log, number] = (SEGMENT.exec(file) ?? [])
    .slice(1)
    .map((digits) => Number.parseInt(digits, 16));
  if (timeline === undefined || log === undefined || number === undefined) return undefined;
  return { timeline, position: log * SEGMENTS_PER_LOG + number };
}

const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, "0");

const nameOf = ({ timeline, position }: Segment): string =>
  hex(timeline) + hex(Math.floor(position / SEGMENTS_PER_LOG)) + hex(position % SEGMENTS_PER_LOG);

/**
 * WAL that is missing between two segments of a timeline, a line each: no restore gets past it. pgBackRest's
 * own verify (2.45) takes such an archive for sound.
 */
export function findWalGaps(files: readonly string[]): string[] {
  const segments = files.flatMap((file) => segmentOf(file) ?? []);
  return [...Map.groupBy(segments, ({ timeline }) => timeline)].flatMap(
    ([timeline, ofTimeline]) => {
      const positions = ofTimeline.map(({ position }) => position).toSorted((a, b) => a - b);
      return positions.flatMap((position, index) => {
        const before = positions[index - 1];
        if (before === undefined || position <= before + 1) return [];
        const [first, last] = [before + 1, position - 1].map((at) =>
          nameOf({ timeline, position: at }),
        );
        return [`WAL is missing from ${first} to ${last}`];
      });
    },
  );
}
