import type { LaneView, ModelLane } from "../../core/queue/lane.ts";
import { repeat } from "../../runtime/repeat.ts";
import type { GatewayPorts } from "../ports.ts";

/** The dispatcher's word as this gateway knows it: whether a request may be published at once. */
export interface Lanes {
  /** Resolves when the view has been looked for once, so that nothing is accepted without asking. */
  start: () => Promise<void>;
  stop: () => void;
  /**
   * Takes leave to publish one request of the model at once; false: it is to be parked. Asks nobody, because
   * this is on the path of every accept.
   */
  takeDirect: (model: string) => boolean;
  /** undefined: the dispatcher has said nothing of the model. */
  laneOf: (model: string) => ModelLane | undefined;
}

const READ_MS = 250;
/**
 * While a keeper lives it renews the view about four times a second. When nobody renews it the allowance is
 * given again, half as often: the death of a dispatcher, whose place is taken after some seconds, parks
 * hardly anything, and still no queue grows much faster than it is worked off.
 */
const RENEW_MS = 500;
/**
 * After this nobody can be at work: another keeper takes over within some seconds, if there is one. What
 * comes then is published, also where the last word was to park it, so that the work of a system whose
 * keepers are all away goes on. It may overtake what is parked.
 */
const SILENT_MS = 15_000;
/** What may be published then in `RENEW_MS` of a model whose rate is not known. */
const SILENT_ALLOWANCE_MIN = 16;

/**
 * Reads the view four times a second. While Redis is away the last one goes on; where there is none, because
 * no dispatcher has been at work or Redis has lost its memory, everything is published at once.
 */
export function createLanes(
  ports: Pick<GatewayPorts, "log" | "now" | "schedule" | "readLanes">,
): Lanes {
  let view: LaneView | undefined;
  let lanes = new Map<string, { lane: ModelLane; left: number }>();
  let allowedAtMs = 0;
  /** When a new view was read last. */
  let renewedAtMs = 0;

  function allowanceOf({ mode, allowance, ratePerSecond, operatorPause }: ModelLane): number {
    if (mode === "direct") return allowance;
    const isSilent = ports.now() - renewedAtMs >= SILENT_MS;
    if (!isSilent || operatorPause !== null) return 0;
    return Math.max(SILENT_ALLOWANCE_MIN, Math.ceil((ratePerSecond * RENEW_MS) / 1_000));
  }

  /** What may be published from now on. */
  function allow(): void {
    allowedAtMs = ports.now();
    lanes = new Map(
      Object.entries(view?.models ?? {}).map(([model, lane]) => [
        model,
        { lane, left: allowanceOf(lane) },
      ]),
    );
  }

  async function read(): Promise<void> {
    let isNew = false;
    try {
      const next = await ports.readLanes();
      isNew = next?.atMs !== view?.atMs;
      if (isNew) renewedAtMs = ports.now();
      view = next;
    } catch (error) {
      ports.log.debug({ err: error }, "cannot read the lanes; the last ones go on");
    }
    if (isNew || ports.now() - allowedAtMs >= RENEW_MS) allow();
  }

  let stop = (): void => {};
  return {
    start: async () => {
      await read();
      stop = repeat(ports.schedule, read, () => READ_MS);
    },
    stop: () => stop(),
    takeDirect: (model) => {
      const known = lanes.get(model);
      if (known === undefined) return true;
      if (known.left <= 0) return false;
      known.left -= 1;
      return true;
    },
    laneOf: (model) => lanes.get(model)?.lane,
  };
}
