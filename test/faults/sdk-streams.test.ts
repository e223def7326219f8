/** Streams of OpenAI's SDK whose worker or gateway is killed after the first pieces. */
import { afterAll, beforeAll, expect, test } from "bun:test";

import OpenAI from "openai";

import { serverUrls } from "../support/servers.ts";
import { billsOf } from "../support/sdks/bills.ts";
import { openaiClient } from "../support/sdks/openai-client.ts";
import { simulatedAnswer } from "../../history/simulated-answer.ts";
import { startTestStack, type TestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";

const START_LIMIT_MS = 60_000;
const TEST_LIMIT_MS = 60_000;
const STREAMS = 8;
/** Far from cutting any answer off, also after some of it is counted in tokens. */
const MAX_TOKENS = 1_000;
/** An answer of 16 to 128 tokens takes seconds. */
const TOKEN_MS = 60;
/** Models that can be asked to go on from what was said, and not. */
const GOING_ON = "going-on";
const ANEW = "anew";

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({
    servers: serverUrls(),
    gateways: 2,
    ownSimulators: [GOING_ON, ANEW],
    settings: {
      // When Redis forgets that a request is under way, it is published again after this: not within a test.
      keeper: { republish_after_ms: 40_000 },
      models: {
        [GOING_ON]: { timeout_ms: 20_000, continuation: "final_message" },
        [ANEW]: { timeout_ms: 20_000 },
      },
    },
  });
  for (const model of [GOING_ON, ANEW]) await stack.simulatorOf(model).set({ token_ms: TOKEN_MS });
}, START_LIMIT_MS);
afterAll(() => stack?.stop(), START_LIMIT_MS);

interface Streamed {
  prompt: string;
  requestId: string;
  text: string;
  /** How often a piece said who speaks. */
  roles: number;
  finishReason: string | null;
  error: unknown;
}

/** Reads a stream to its end; `onFirst` hears of its first text. */
async function readStream(
  client: OpenAI,
  model: string,
  prompt: string,
  onFirst: () => void,
): Promise<Streamed> {
  const messages = [{ role: "user" as const, content: prompt }];
  const { data: stream, request_id: requestId } = await client.chat.completions
    .create({ model, messages, max_tokens: MAX_TOKENS, stream: true })
    .withResponse();
  const read: Streamed = {
    prompt,
    requestId: requestId ?? "",
    text: "",
    roles: 0,
    finishReason: null,
    error: null,
  };
  try {
    for await (const { choices } of stream) {
      const [choice] = choices;
      if (choice === undefined) continue;
      read.text += choice.delta.content ?? "";
      if (choice.delta.role !== undefined) read.roles += 1;
      read.finishReason = choice.finish_reason ?? read.finishReason;
      if (read.text !== "") onFirst();
    }
  } catch (error) {
    read.error = error;
  }
  return read;
}

/** Streams that all have begun to say something when `kill` runs, read to their ends. */
async function streamsThrough(
  user: TestUser,
  model: string,
  kill: () => Promise<void>,
): Promise<Streamed[]> {
  const { client } = openaiClient(stack, user);
  const begun = new Set<string>();
  const allHaveBegun = Promise.withResolvers<void>();
  const reads = Array.from({ length: STREAMS }, (_, at) => {
    const prompt = `stream ${at} of ${model}`;
    return readStream(client, model, prompt, () => {
      if (begun.add(prompt).size === STREAMS) allHaveBegun.resolve();
    });
  });
  await allHaveBegun.promise;
  await kill();
  return Promise.all(reads);
}

async function killAndStart(name: string): Promise<void> {
  await stack.component(name).kill();
  await stack.component(name).start();
}

const answerTo = (prompt: string): string => simulatedAnswer(prompt, MAX_TOKENS).text;

/** Each has its whole text at the other gateway, and one row in the ledger; nothing is left open. */
async function expectAllComplete(user: TestUser, streams: readonly Streamed[]): Promise<void> {
  const api = stack.api(user, 1);
  for (const { requestId, prompt } of streams) {
    const { status, result } = await api.untilEnded(requestId);
    expect({ status, text: result?.choices[0]?.text }).toEqual({
      status: "completed",
      text: answerTo(prompt),
    });
  }
  const bills = await billsOf(stack, user);
  expect(bills.map(({ requestId }) => requestId).sort()).toEqual(
    streams.map(({ requestId }) => requestId).sort(),
  );
  expect(bills.every(({ rows }) => rows === 1)).toBe(true);
  const { differences, holdsOpen } = await stack.books.audit();
  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
}

test(
  "a stream whose worker is killed goes on to the same text where the model can go on",
  async () => {
    const user = await stack.addUser();

    const streams = await streamsThrough(user, GOING_ON, () => killAndStart("worker-1"));

    for (const { prompt, ...streamed } of streams)
      expect(streamed).toMatchObject({
        text: answerTo(prompt),
        roles: 1,
        finishReason: "stop",
        error: null,
      });
    await expectAllComplete(user, streams);
  },
  TEST_LIMIT_MS,
);

test(
  "a stream whose worker is killed breaks off where the model cannot go on; the call made again gets it all",
  async () => {
    const user = await stack.addUser();

    const streams = await streamsThrough(user, ANEW, () => killAndStart("worker-1"));

    for (const { error, text, prompt, requestId } of streams) {
      expect(error).toBeInstanceOf(OpenAI.APIError);
      expect(String(error)).toContain(requestId);
      expect(answerTo(prompt)).toStartWith(text);
    }
    const { client } = openaiClient(stack, user, { baseURL: `${stack.gateways[1]?.url}/v1` });
    const again = await Promise.all(
      streams.map(({ prompt }) => readStream(client, ANEW, prompt, () => {})),
    );
    expect(again.map(({ requestId, text, error }) => ({ requestId, text, error }))).toEqual(
      streams.map(({ requestId, prompt }) => ({ requestId, text: answerTo(prompt), error: null })),
    );
    await expectAllComplete(user, streams);
  },
  TEST_LIMIT_MS,
);

test(
  "a stream whose gateway is killed throws, and another gateway has all of it",
  async () => {
    const user = await stack.addUser();

    const streams = await streamsThrough(user, ANEW, () => killAndStart("gateway-1"));

    for (const { error, finishReason } of streams)
      expect({ hasThrown: error !== null, finishReason }).toEqual({
        hasThrown: true,
        finishReason: null,
      });
    await expectAllComplete(user, streams);
    const [{ requestId, prompt } = { requestId: "", prompt: "" }] = streams;
    expect(await readEvents(user, requestId)).toBe(answerTo(prompt));
  },
  TEST_LIMIT_MS,
);

const forgetAll = () => stack.books.redis.run(({ client }) => client.flushdb());

test(
  "a stream whose pieces Redis forgets has its whole text all the same",
  async () => {
    const user = await stack.addUser();

    const streams = await streamsThrough(user, ANEW, async () => {
      // Pieces are read within milliseconds: some of these times are between a write and its read.
      for (let times = 0; times < 40; times += 1) {
        await forgetAll();
        await Bun.sleep(7);
      }
    });

    for (const { prompt, text, error } of streams)
      expect({ text, error }).toEqual({ text: answerTo(prompt), error: null });
    await expectAllComplete(user, streams);
  },
  TEST_LIMIT_MS,
);

test(
  "a worker killed after Redis has forgotten the beginning of an answer leaves no wrong one",
  async () => {
    const user = await stack.addUser();

    const streams = await streamsThrough(user, GOING_ON, async () => {
      await forgetAll();
      // Some pieces come after that.
      await Bun.sleep(5 * TOKEN_MS);
      await killAndStart("worker-1");
    });

    for (const { prompt, text } of streams) expect(answerTo(prompt)).toStartWith(text);
    await expectAllComplete(user, streams);
  },
  TEST_LIMIT_MS,
);

/** The text of an answer by its events at the other gateway. */
async function readEvents({ apiKey }: TestUser, requestId: string): Promise<string> {
  const reply = await fetch(`${stack.gateways[1]?.url}/status/${requestId}/events`, {
    headers: { authorization: `Bearer ${apiKey}` },
    signal: AbortSignal.timeout(10_000),
  });
  // What came before a restart is to be forgotten.
  const [answer = ""] = (await reply.text()).split("event: restart").slice(-1);
  const events = answer.split("\n\n");
  const datas = events
    .filter((event) => event.includes("event: pieces"))
    .map((event) => /^data: (.*)$/m.exec(event)?.[1] ?? "{}");
  return datas
    .flatMap(
      (data) => (JSON.parse(data) as { choices: OpenAI.ChatCompletionChunk.Choice[][] }).choices,
    )
    .flat()
    .map(({ delta }) => delta.content ?? "")
    .join("");
}
