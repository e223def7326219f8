import { afterAll, beforeAll, test } from "bun:test";

import { serverTls, serverUrls } from "../servers.ts";
import type { StackOptions } from "../../../local/stack/stack.ts";
import { startTestStack, type TestStack } from "./stack.ts";

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;
const TEST_LIMIT_MS = 60_000;

type Act = (stack: TestStack) => Promise<void>;
type Options = Omit<StackOptions, "servers"> & Partial<Pick<StackOptions, "servers">>;

/** Runs `act`; when it throws, shows what the processes logged. */
async function showingLogs(stack: TestStack, act: Act): Promise<void> {
  try {
    await act(stack);
  } catch (error) {
    process.stderr.write(`${stack.logTail()}\n`);
    throw error;
  }
}

/** Tests of one file that share one stack, on the servers of the test run. Returns how to define one. */
export function testsOnStack(
  options: Options = {},
): (name: string, act: Act, limitMs?: number) => void {
  let stack: TestStack | undefined;
  beforeAll(async () => {
    stack = await startTestStack({ servers: serverUrls(), tls: serverTls(), ...options });
  }, START_LIMIT_MS);
  afterAll(() => stack?.stop(), STOP_LIMIT_MS);
  return (name, act, limitMs = TEST_LIMIT_MS) =>
    test(
      name,
      async () => {
        if (stack === undefined) throw new Error("the stack did not start");
        await showingLogs(stack, act);
      },
      limitMs,
    );
}

/** A stack for one test alone, gone when `act` has ended. */
export async function withStack(options: Options, act: Act): Promise<void> {
  const stack = await startTestStack({ servers: serverUrls(), tls: serverTls(), ...options });
  try {
    await showingLogs(stack, act);
  } finally {
    await stack.stop();
  }
}
