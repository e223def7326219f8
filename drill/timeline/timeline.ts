/** What is read every few seconds; null: it could not be read. */
export interface Reading {
  /** Replicas that are wanted, by Deployment, and those of them that are ready. */
  replicas: Record<string, { wanted: number; ready: number }>;
  /** Messages that are ready in the queues of requests. */
  queued: number | null;
  /** Requests without a terminal state. */
  waiting: number | null;
  /** Age of the oldest request that could run, seconds. */
  oldestSeconds: number | null;
  /** Estimated tokens of requests that could run. */
  tokensRunnable: number | null;
  /** Tokens that the ML service processed, per minute, over the last minute. */
  tokensPerMinute: number | null;
}

export interface Sample extends Reading {
  /** Since the beginning of the timeline. */
  atSeconds: number;
}

/** The beginning of a phase, of something that it tries, or something else that happened. */
export type MarkKind = "phase" | "trial" | "remark";

export interface Mark {
  atSeconds: number;
  text: string;
  kind: MarkKind;
}

export interface Timeline {
  /** ISO 8601. */
  startedAt: string;
  samples: Sample[];
  marks: Mark[];
}

/** As JSON, with a line for each sample and mark. */
export function timelineText({ startedAt, samples, marks }: Timeline): string {
  const lines = (items: readonly unknown[]): string =>
    items.map((item) => JSON.stringify(item)).join(",\n");
  const start = JSON.stringify(startedAt);
  return `{"startedAt":${start},"marks":[\n${lines(marks)}\n],"samples":[\n${lines(samples)}\n]}\n`;
}

export interface Recorder {
  timeline: Timeline;
  mark: (text: string, kind: MarkKind) => void;
  stop: () => Promise<void>;
}

const EVERY_MS = 2_000;

/** Reads again `everyMs` after the last reading has come. */
export function startRecorder(
  read: () => Promise<Reading | undefined>,
  everyMs = EVERY_MS,
): Recorder {
  const startedMs = Date.now();
  const timeline: Timeline = {
    startedAt: new Date(startedMs).toISOString(),
    samples: [],
    marks: [],
  };
  const now = (): number => Math.round((Date.now() - startedMs) / 100) / 10;
  const stopping = new AbortController();

  async function keepReading(): Promise<void> {
    while (!stopping.signal.aborted) {
      const reading = await read();
      if (reading !== undefined) timeline.samples.push({ atSeconds: now(), ...reading });
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, everyMs);
        stopping.signal.addEventListener("abort", () => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  const running = keepReading();
  return {
    timeline,
    mark: (text, kind) => void timeline.marks.push({ atSeconds: now(), text, kind }),
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
