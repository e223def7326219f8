/** Applications that use OpenAI's SDK notice nothing of what dies behind the door. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type OpenAI from "openai";

import { startMlWatch, type MlWatch } from "../support/ml-watch.ts";
import {
  hasServerPrograms,
  type PrivateServers,
  startServersToWreck,
} from "../support/private-servers.ts";
import { billsOf } from "../support/sdks/bills.ts";
import { openaiClient } from "../support/sdks/openai-client.ts";
import { simulatedAnswer } from "../../history/simulated-answer.ts";
import { startTestStack, type TestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";

const START_LIMIT_MS = 180_000;
const SCENARIO_LIMIT_MS = 120_000;
const CALLERS = 12;
/** Cuts no answer off: the simulator goes on only from one that it would have finished. */
const MAX_TOKENS = 1_000;
/** The model takes so long that whatever dies has calls under way. */
const ANSWER_MS = 400;
const TOKEN_MS = 4;
/** Longer than a fault takes, at half a second to eight between two tries. */
const RETRIES = 12;
const PAUSE_MS = 1_500;
const REACHED_LIMIT_MS = 15_000;
/** From the model's answer to the commit of the result, and to its receipt by the collector. */
const COMMIT_MS = 500;

/** What became of a call. */
interface Called {
  prompt: string;
  requestId: string;
  text: string;
  /** null: it has the whole answer. */
  error: string | null;
  isStream: boolean;
}

interface Load {
  /** Ends it when every call has its answer. */
  stop: () => Promise<Called[]>;
}

const bodyOf = (prompt: string) => ({
  model: "sim-chat",
  max_tokens: MAX_TOKENS,
  messages: [{ role: "user" as const, content: prompt }],
});

async function call(client: OpenAI, prompt: string): Promise<Called> {
  const called: Called = { prompt, requestId: "", text: "", error: null, isStream: false };
  try {
    const { choices, _request_id: id } = await client.chat.completions.create(bodyOf(prompt));
    return { ...called, requestId: id ?? "", text: choices[0]?.message.content ?? "" };
  } catch (error) {
    return { ...called, error: String(error) };
  }
}

async function stream(client: OpenAI, prompt: string): Promise<Called> {
  const called: Called = { prompt, requestId: "", text: "", error: null, isStream: true };
  try {
    const begun = client.chat.completions.create({ ...bodyOf(prompt), stream: true });
    const { data, request_id: id } = await begun.withResponse();
    called.requestId = id ?? "";
    for await (const { choices } of data) called.text += choices[0]?.delta.content ?? "";
  } catch (error) {
    called.error = String(error);
  }
  return called;
}

/** Callers who ask one thing after the other, each of them once; every third reads along. */
function startCallers(client: OpenAI, name: string): Load {
  const called: Called[] = [];
  const over = new AbortController();
  async function callOn(caller: number): Promise<void> {
    const ask = caller % 3 === 0 ? stream : call;
    for (let nth = 0; !over.signal.aborted; nth += 1)
      called.push(await ask(client, `${name}: caller ${caller} asks for the ${nth}th time`));
  }
  const callers = Array.from({ length: CALLERS }, (_, caller) => callOn(caller));
  return {
    stop: async () => {
      over.abort();
      await Promise.all(callers);
      return called;
    },
  };
}

// Where only containers run, there is no process to send a signal to.
describe.skipIf(!hasServerPrograms())("OpenAI's SDK, while what is behind the door dies", () => {
  let servers: PrivateServers;
  let stack: TestStack;
  let watch: MlWatch;
  beforeAll(async () => {
    servers = await startServersToWreck();
    stack = await startTestStack({
      servers: servers.urls,
      gateways: 2,
      workers: 2,
      collectors: 2,
      // As behind a load balancer: the SDK knows one address.
      sharesGatewayPort: true,
      simulator: { ttft_ms: ANSWER_MS, token_ms: TOKEN_MS },
      throughMl: (url) => Promise.resolve((watch = startMlWatch(url)).url),
      settings: { models: { "sim-chat": { timeout_ms: 10_000 } } },
    });
  }, START_LIMIT_MS);
  afterAll(async () => {
    await stack?.stop();
    await watch?.stop();
    await servers?.remove();
  }, START_LIMIT_MS);

  /** Returns what may be executed again, because it was not committed when something died. */
  async function whileUnderWay(act: () => Promise<void>): Promise<string[]> {
    const sinceMs = performance.now() - COMMIT_MS;
    await act();
    return watch.underWaySince(sinceMs);
  }

  async function killAndStart(name: string): Promise<void> {
    await stack.component(name).kill();
    await stack.component(name).start();
  }

  /** Kills a process at a point of its code; `meanwhile` brings it there if calls alone do not. */
  async function dieAt(
    name: string,
    at: string,
    meanwhile: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const component = stack.component(name);
    await component.kill();
    await component.start({ CRASH_AT: at });
    await meanwhile();
    expect([137, -9]).toContain(await component.untilEnded(REACHED_LIMIT_MS));
    await component.start();
  }

  async function restart(name: "redis" | "rabbitmq"): Promise<void> {
    await servers.end(name, "crash");
    await servers.start();
  }

  /** What calls did not get as they should, were executed or billed for too often, and what is left over. */
  async function findWrong(
    user: TestUser,
    called: readonly Called[],
    disturbed: ReadonlySet<string>,
  ): Promise<string[]> {
    const bills = await billsOf(stack, user);
    const byId = new Map(bills.map((bill) => [bill.requestId, bill]));
    const wrong = called.flatMap(({ prompt, requestId, text, error, isStream }) => {
      const answer = simulatedAnswer(prompt, MAX_TOKENS);
      const said = error === null ? answer.text : answer.text.slice(0, text.length);
      const bill = byId.get(requestId);
      const tokens = answer.promptTokens + answer.completionTokens;
      return [
        // No SDK repeats a stream that has begun: its reader has a part, and the id of the rest.
        !isStream && error !== null && `failed: ${error}`,
        text !== said && "has other words",
        (bill?.state !== "completed" || bill.rows !== 1) && `billed: ${JSON.stringify(bill)}`,
        !isStream && bill?.tokens !== tokens && `${tokens} tokens, billed ${bill?.tokens}`,
        !disturbed.has(prompt) && watch.executions(prompt) !== 1 && "executed again",
      ].flatMap((problem) => (problem === false ? [] : `${prompt}: ${problem}`));
    });
    if (bills.length !== called.length) wrong.push(`${bills.length} requests of ${called.length}`);
    const { differences, holdsOpen } = await stack.books.audit();
    return [
      ...wrong,
      ...differences.map((one) => JSON.stringify(one)),
      ...(holdsOpen > 0 ? ["holds are open"] : []),
    ];
  }

  test(
    "every call gets its own answer, is executed once and billed once",
    async () => {
      const user = await stack.addUser();
      const { client } = openaiClient(stack, user, { maxRetries: RETRIES });
      const load = startCallers(client, "all is well");
      const disturbed = new Set<string>();

      for (const victim of [
        () => killAndStart("gateway-1"),
        () => killAndStart("worker-1"),
        () => killAndStart("collector-1"),
        () => restart("redis"),
        () => killAndStart("gateway-2"),
        () => restart("rabbitmq"),
        () => killAndStart("worker-2"),
        () => killAndStart("collector-2"),
        () => dieAt("worker-1", "W4:3"),
        () => dieAt("worker-1", "W5:9"),
        // The connections that callers keep open are at the other gateway: its calls come again, here.
        () => dieAt("gateway-1", "G6:1", () => killAndStart("gateway-2")),
        () => dieAt("gateway-1", "G7:5", () => killAndStart("gateway-2")),
      ]) {
        await Bun.sleep(PAUSE_MS);
        for (const prompt of await whileUnderWay(victim)) disturbed.add(prompt);
      }
      await Bun.sleep(PAUSE_MS);
      const called = await load.stop();

      expect(called.length).toBeGreaterThan(100);
      expect(await findWrong(user, called, disturbed)).toEqual([]);
    },
    SCENARIO_LIMIT_MS,
  );

  test(
    "the checker finds it when a repeated call does not find its request",
    async () => {
      const user = await stack.addUser();
      const { client } = openaiClient(stack, user, { maxRetries: RETRIES });
      const load = startCallers(client, "forgotten");
      await Bun.sleep(PAUSE_MS);

      // What a gateway forgets that keeps calls in its memory.
      const disturbed = new Set<string>();
      for (const name of ["gateway-1", "gateway-2"]) {
        const { database } = stack.books;
        await database.run("forget calls", (sql) => sql`delete from idempotency_keys`);
        for (const prompt of await whileUnderWay(() => killAndStart(name))) disturbed.add(prompt);
      }
      await Bun.sleep(PAUSE_MS);
      const called = await load.stop();

      const wrong = await findWrong(user, called, disturbed);
      expect(wrong).toContainEqual(expect.stringMatching(/^\d+ requests of \d+$/));
    },
    SCENARIO_LIMIT_MS,
  );
});
