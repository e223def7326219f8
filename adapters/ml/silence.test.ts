import { afterAll, expect, test } from "bun:test";

import { codeOf, startMlServer } from "../../test/support/ml-server.ts";

const ml = startMlServer();
afterAll(() => ml.stop());

const SILENCE_MS = 420_000;
const isDrill = process.env["DRILL"] === "silence";

/** Bun's own limit is five minutes, and cannot be shortened: only waiting longer shows that it is lifted. */
test.skipIf(!isDrill)(
  "a service may be silent for seven minutes: DRILL=silence bun test adapters/ml/silence.test.ts",
  async () => {
    const late = async () => {
      await Bun.sleep(SILENCE_MS);
      return Response.json({ choices: [{ message: { content: "At last." } }] });
    };

    const outcome = await ml.infer(late, { timeout_ms: 600_000 });

    expect([codeOf(outcome), ml.seen.length]).toEqual(["ok", 1]);
  },
  SILENCE_MS + 60_000,
);
