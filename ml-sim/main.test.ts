import { expect, test } from "bun:test";

const main = new URL("main.ts", import.meta.url).pathname;

test("starts on the port it says, answers, and ends with 0 on SIGTERM", async () => {
  const child = Bun.spawn([process.execPath, main, "--port", "0", "--output-tokens-max", "16"], {
    stdout: "pipe",
    env: { ...process.env, ML_SIM_TTFT_MS: "1" },
  });
  try {
    const { value } = await child.stdout.getReader().read();
    const url = /http:\S+/.exec(new TextDecoder().decode(value))?.[0] ?? "";

    const health = await (await fetch(`${url}health`)).json();
    const settings = await (await fetch(`${url}sim/settings`)).json();
    expect(health).toEqual({ status: "ok", simulator: true });
    expect(settings).toMatchObject({ ttft_ms: 1, output_tokens_max: 16 });
    const prompt = '{"prompt":"[[sim:reset]]"}';
    const reset = fetch(`${url}v1/completions`, { method: "POST", body: prompt });
    const ending = await reset.then((reply) => reply.text()).catch(String);
    expect(ending).toContain("closed");

    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  } finally {
    child.kill("SIGKILL");
  }
});

test.each([
  [["--slots", "many"], "slots"],
  [["--slots=-1"], "slots"],
  [["--slots", "-1"], "slots"],
  [["--port", "70000"], "port"],
  [["--unknown"], "unknown"],
])("refuses %j in one line with exit code 2", async (args, named) => {
  const child = Bun.spawn([process.execPath, main, ...args], { stderr: "pipe", stdout: "ignore" });

  const text = await new Response(child.stderr).text();

  expect(await child.exited).toBe(2);
  expect(text).toContain(named);
  expect(text.trim().split("\n")).toHaveLength(1);
});
