/**
 * Calls `https://localhost:PORT/` on connections that are kept and on new ones until its standard input
 * has a line or an end, then prints what became of the calls.
 */
export {};

const ca = Bun.file(process.env["CA"] ?? "");
const url = `https://localhost:${process.env["PORT"]}/`;
const CALLERS = 16;
const counted: { answered: number; failures: string[] } = { answered: 0, failures: [] };
let isEnough = false;

async function call(keepalive: boolean): Promise<void> {
  const tls = { ca: await ca.text() };
  while (!isEnough) {
    try {
      const reply = await fetch(url, { tls, keepalive, signal: AbortSignal.timeout(10_000) });
      await reply.text();
      counted.answered += 1;
    } catch (error) {
      counted.failures.push(`${keepalive ? "kept" : "new"}: ${String(error)}`);
    }
    // Connections stand idle now and then.
    if (counted.answered % 7 === 0) await Bun.sleep(20);
  }
}

const callers = Array.from({ length: CALLERS }, (_, index) => call(index % 2 === 0));
for await (const _line of console) break;
isEnough = true;
await Promise.all(callers);
process.stdout.write(JSON.stringify(counted));
