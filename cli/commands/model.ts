import type { Command } from "commander";

import { pauseModel, resumeModel } from "../../adapters/postgres/model-pauses.ts";
import { createLanes } from "../../adapters/redis/lanes.ts";
import { CommandFailure, describeError, EXIT } from "../../adapters/terminal/failure.ts";
import { formatInstant, printJson, printLine } from "../../adapters/terminal/table.ts";
import { printable } from "../../adapters/terminal/printable.ts";
import { ACTOR_OPTION, actorOf } from "../operator/actor.ts";
import { operate, type Operation } from "../operator/operate.ts";
import { serverConditions } from "../status/conditions.ts";
import { look } from "../status/look.ts";
import { modelJson } from "../status/status-json.ts";
import { formatModels } from "../status/status-text.ts";

export function registerModel(program: Command): void {
  const model = program
    .command("model")
    .description("list models and how they are, pause and resume them")
    .addHelpText(
      "after",
      `
Examples:
  ./tollgate model list
  ./tollgate model pause sim-chat --reason "moving to another node"
  ./tollgate model resume sim-chat`,
    );
  model
    .command("list")
    .description("list models: state, what waits, workers")
    .option("--json", "print an array of objects")
    .addHelpText(
      "after",
      `
What is wrong with one is in ./tollgate status.

Example:
  ./tollgate model list --json | jq -r '.[] | select(.state != "ok").model'`,
    )
    .action(list);
  registerPause(model);
  registerResume(model);
}

async function list({ json }: { json?: boolean }): Promise<void> {
  await operate({ servers: ["postgres", "redis", "amqp"], secrets: [] }, async (operation) => {
    const { readings, models } = await look(operation);
    if (json === true) printJson(models.map(modelJson));
    else printLine(formatModels(models, readings.atMs));
    const away = serverConditions(readings);
    if (away.length > 0)
      throw new CommandFailure(away.map(({ text }) => text).join("; "), {
        exitCode: EXIT.unreachable,
      });
  });
}

interface PauseOptions {
  reason: string;
  actor?: string;
  json?: boolean;
}

function registerPause(model: Command): void {
  model
    .command("pause")
    .description("let nothing of a model be called until it is resumed")
    .argument("<model>")
    .requiredOption("--reason <text>", "why, for whoever finds it paused")
    .option(...ACTOR_OPTION)
    .option("--json", "print {model, paused, was_paused}")
    .addHelpText(
      "after",
      `
Requests of the model are still accepted, and wait; what runs is let finish. It stays paused over restarts,
and takes effect within a second. Callers see the reason "model_paused", not yours.

Exit codes: 0 it is paused, ${EXIT.usage} wrong use or no such model, ${EXIT.unreachable} not reached.

Example:
  ./tollgate model pause sim-chat --reason "moving to another node"`,
    )
    .action(pause);
}

async function pause(model: string, { reason, actor, json }: PauseOptions): Promise<void> {
  if (reason.trim() === "")
    throw new CommandFailure("--reason says why: it must not be empty", { exitCode: EXIT.usage });
  await operate({ servers: ["postgres", "redis"], secrets: [] }, async (operation) => {
    requireModel(model, operation);
    const by = actorOf(actor);
    const before = await pauseModel(operation.database, { model, by, reason });
    await announce(operation, model, true);
    if (json === true) printJson({ model, paused: true, was_paused: before !== undefined });
    else if (before === undefined) printLine(printable(`the model ${model} is paused`));
    else
      printLine(
        printable(
          `the model ${model} stays paused, for another reason; since ${formatInstant(before.atMs)} UTC ` +
            `it was by ${before.by}: ${before.reason}`,
        ),
      );
  });
}

function registerResume(model: Command): void {
  model
    .command("resume")
    .description("end an operator's pause of a model")
    .argument("<model>")
    .option(...ACTOR_OPTION)
    .option("--json", "print {model, paused, was_paused}")
    .addHelpText(
      "after",
      `
It ends no pause because the ML service does not answer: that one ends by itself.

Exit codes: 0 it is resumed, ${EXIT.failed} no operator had paused it, ${EXIT.usage} no such model,
${EXIT.unreachable} not reached.

Example:
  ./tollgate model resume sim-chat`,
    )
    .action(resume);
}

async function resume(
  model: string,
  { actor, json }: Pick<PauseOptions, "actor" | "json">,
): Promise<void> {
  await operate({ servers: ["postgres", "redis"], secrets: [] }, async (operation) => {
    const before = await resumeModel(operation.database, { model, by: actorOf(actor) });
    if (before === undefined) {
      requireModel(model, operation);
      if (json === true) printJson({ model, paused: false, was_paused: false });
      throw new CommandFailure(
        `no operator has paused the model ${model}; how it is: ./tollgate model list`,
      );
    }
    await announce(operation, model, false);
    if (json === true) printJson({ model, paused: false, was_paused: true });
    else
      printLine(
        printable(
          `the model ${model} is resumed; since ${formatInstant(before.atMs)} UTC it was paused by ` +
            `${before.by}: ${before.reason}`,
        ),
      );
  });
}

/** @throws {CommandFailure} naming the models there are */
function requireModel(model: string, { config: { models } }: Operation): void {
  if (Object.hasOwn(models, model)) return;
  throw new CommandFailure(
    `there is no model ${model}: there are ${Object.keys(models).join(", ")} (models of the configuration)`,
    { exitCode: EXIT.usage },
  );
}

/** The dispatcher looks several times a second. */
const TAKEN_UP_LIMIT_MS = 3_000;
const LOOK_PERIOD_MS = 100;

/**
 * Tells everybody, and waits until the dispatcher passes it on. It reads what is stored anyway, so that a
 * want of Redis or of a keeper is said, and is no failure.
 */
async function announce(operation: Operation, model: string, isPaused: boolean): Promise<void> {
  const say = (why: string): void =>
    void process.stderr.write(`tollgate: it is stored, and takes effect when ${printable(why)}\n`);
  try {
    await (await operation.signals()).announceModelChange(model);
    const { readView } = createLanes(await operation.redis());
    const deadlineMs = Date.now() + TAKEN_UP_LIMIT_MS;
    while (Date.now() < deadlineMs) {
      const lane = (await readView())?.models[model];
      // A model that is not in the configuration has no lane.
      if (((lane?.operatorPause ?? null) !== null) === isPaused) return;
      await Bun.sleep(LOOK_PERIOD_MS);
    }
    say("a collector is the keeper: see ./tollgate status");
  } catch (error) {
    say(`Redis answers again (${describeError(error)})`);
  }
}
