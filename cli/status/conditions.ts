import type { Config } from "../../core/config/schema.ts";
import type { OperatorPause } from "../../core/queue/lane.ts";
import { formatCount } from "../../adapters/terminal/table.ts";
import { formatAge } from "../operator/ages.ts";
import { type ModelStatus, TROUBLES } from "./model-states.ts";
import type { Readings, Reply } from "./reading.ts";

/** Something that whoever is on call should know now. */
export interface Condition {
  /** `wrong`: somebody has to act. `note`: it is meant so, or mends itself. */
  kind: "wrong" | "note";
  /** One line that says what is and what to do. */
  text: string;
}

/** As the alert `TollgateRequestsWaitTooLong`. */
const WAIT_MAX_MS = 900_000;
/** As the alert `TollgateModelPausedByOperator`. */
const PAUSE_MAX_MS = 6 * 3_600_000;
/** As the alert `TollgateOutboxGrows`. */
const OUTBOX_MAX = 5_000;
/** So long waking workers from zero may take. */
const WAKING_MS = 60_000;
/** The dispatcher speaks at least once a second. */
const VIEW_AGE_MAX_MS = 10_000;

const wrong = (text: string): Condition => ({ kind: "wrong", text });
const note = (text: string): Condition => ({ kind: "note", text });

/** Everything that is wrong or worth knowing, what is worst first. */
export function conditionsOf(
  readings: Readings,
  models: readonly ModelStatus[],
  config: Pick<Config, "models" | "gateway" | "tiers">,
): Condition[] {
  const found = [
    ...serverConditions(readings),
    ...roleConditions(readings),
    ...models.flatMap((model) => modelConditions(model, config, readings.atMs)),
    ...queueConditions(readings, config),
    ...tierConditions(readings, config),
  ];
  return [
    ...found.filter(({ kind }) => kind === "wrong"),
    ...found.filter(({ kind }) => kind === "note"),
  ];
}

/** Which servers do not answer, and what that means. */
export function serverConditions({ postgres, redis, broker }: Readings): Condition[] {
  const away = (name: string, reply: Reply<unknown>, lost: string): Condition[] =>
    reply.ok ? [] : [wrong(`${name} does not answer (${reply.reason}): ${lost}`)];
  return [
    ...away("PostgreSQL", postgres, "nothing is accepted; what waits and who waits is not known"),
    ...away("Redis", redis, "nothing is accepted; workers and the health of models are not known"),
    ...away("RabbitMQ", broker, "accepted requests stay in the outbox; dead letters are not known"),
  ];
}

function roleConditions({ atMs, postgres, redis }: Readings): Condition[] {
  if (!postgres.ok) return [];
  const { gateways, hasKeeper } = postgres.reading;
  const found: Condition[] = [];
  if (gateways === 0) found.push(wrong("no gateway gives a sign of life: nothing is accepted"));
  if (!hasKeeper) {
    found.push(
      wrong(
        "no collector is the keeper: nothing is dispatched, relayed, freed or audited; start a collector",
      ),
    );
  } else if (redis.ok) {
    const { view } = redis.reading;
    const ageMs = view === undefined ? Number.POSITIVE_INFINITY : atMs - view.atMs;
    const since = Number.isFinite(ageMs)
      ? `for ${formatAge(ageMs)}`
      : "since Redis lost its memory";
    if (ageMs > VIEW_AGE_MAX_MS)
      found.push(wrong(`the dispatcher has said nothing ${since}: see the log of the collectors`));
  }
  return found;
}

function modelConditions(
  status: ModelStatus,
  config: Pick<Config, "models">,
  atMs: number,
): Condition[] {
  const { model, state, cause, operatorPause, open, oldestMs, usersInTrouble } = status;
  const waiting =
    open === null || open === 0
      ? ""
      : `; ${formatCount(open, "request")} of it ${open === 1 ? "is" : "are"} open`;
  const found: Condition[] = [];
  switch (state) {
    case "ok":
      break;
    case "removed":
      found.push(
        wrong(
          `the model ${model} is not in the configuration${waiting}: put it back, or cancel them with ` +
            `./tollgate request cancel --model ${model}`,
        ),
      );
      break;
    case "paused_by_operator": {
      const text = `the model ${model} is paused ${cause}${waiting}: ./tollgate model resume ${model}`;
      found.push(waiting !== "" && isForgotten(operatorPause, atMs) ? wrong(text) : note(text));
      break;
    }
    case "paused":
      found.push(wrong(pausedText(status, waiting, config)));
      break;
    case "key_missing":
      found.push(
        wrong(
          `the model ${model} cannot be called: ${cause}${waiting}: set it and restart the workers`,
        ),
      );
      break;
    case "no_worker":
      if (open !== null && open > 0) {
        const text = `the model ${model} is not worked on: ${cause}${waiting}`;
        found.push((oldestMs ?? 0) > WAKING_MS ? wrong(text) : note(text));
      }
      break;
    case "suspected":
      found.push(wrong(`the model ${model} may be ill: ${cause}`));
      break;
  }
  if (state !== "ok" && state !== "suspected") return found;
  if (oldestMs !== null && oldestMs > WAIT_MAX_MS)
    found.push(
      wrong(`the oldest open request of ${model} was accepted ${formatAge(oldestMs)} ago`),
    );
  if (usersInTrouble !== null && usersInTrouble > 0 && state === "ok")
    found.push(
      note(
        `requests of ${formatCount(usersInTrouble, "user")} of ${model} are tried one at a time, because ` +
          "theirs fail while those of others succeed",
      ),
    );
  return found;
}

const isForgotten = (pause: OperatorPause | null, atMs: number): boolean =>
  pause !== null && atMs - pause.atMs > PAUSE_MAX_MS;

function pausedText(
  { model, trouble, cause, nextProbeAtMs }: ModelStatus,
  waiting: string,
  { models }: Pick<Config, "models">,
): string {
  const url = models[model]?.url;
  const where = url === undefined ? "" : ` at ${new URL(url).host}`;
  const advice =
    trouble === "refused"
      ? ": mend its credential, url or upstream_model in the configuration"
      : "";
  const next = nextProbeAtMs === null ? "" : "; it is tried again by itself";
  const why = `its ML service${where} ${cause ?? TROUBLES.failing}${advice}`;
  return `the model ${model} is paused, ${why}${next}${waiting}`;
}

function queueConditions(
  { postgres, broker }: Readings,
  { gateway, models }: Pick<Config, "gateway" | "models">,
): Condition[] {
  const found: Condition[] = [];
  if (postgres.ok && postgres.reading.outbox > OUTBOX_MAX) {
    const { outbox } = postgres.reading;
    const refused = outbox >= gateway.outbox_max ? ", and accepts are refused" : "";
    found.push(wrong(`not yet at RabbitMQ: ${formatCount(outbox, "accepted request")}${refused}`));
  }
  if (!broker.ok) return found;
  const { dead, ready } = broker.reading;
  if (dead.requests > 0)
    found.push(
      wrong(`${formatCount(dead.requests, "request")} failed for good: see ./tollgate dead list`),
    );
  if (dead.results > 0)
    found.push(
      wrong(
        `${formatCount(dead.results, "result")} could not be read, and a caller may wait for each: ` +
          "see ./tollgate dead list --queue results",
      ),
    );
  for (const model of Object.keys(models))
    if (ready.get(model) === null) found.push(note(`the model ${model} has no queue yet`));
  return found;
}

function tierConditions({ postgres }: Readings, { tiers }: Pick<Config, "tiers">): Condition[] {
  if (!postgres.ok) return [];
  return postgres.reading.tiers
    .filter(({ tier }) => !Object.hasOwn(tiers, tier))
    .map(({ tier, users, isKnown }) => {
      const who = `${formatCount(users, "user")} ${users === 1 ? "has" : "have"}`;
      const limits = isKnown
        ? "they keep the limits it had last"
        : "what it allowed is not known, so they have the default tier's limits";
      return note(`${who} the tier ${tier}, which the configuration does not have: ${limits}`);
    });
}
