import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

// The functions that a process spent its time in: `bun bench/profile-summary.ts FILE.cpuprofile [ROWS]`.
// Flame graphs: load the file into the developer tools of Chromium or https://www.speedscope.app.

const ProfileSchema = t.Object({
  nodes: t.Array(
    t.Object({
      id: t.Integer(),
      callFrame: t.Object({ functionName: t.String(), url: t.String(), lineNumber: t.Integer() }),
    }),
  ),
  samples: t.Array(t.Integer()),
  timeDeltas: t.Array(t.Number()),
});

const ROWS_DEFAULT = 30;

const [path = "", rows = String(ROWS_DEFAULT)] = process.argv.slice(2);
const profile: unknown = await Bun.file(path).json();
if (!Value.Check(ProfileSchema, profile)) throw new Error(`${path} is not a CPU profile`);

const names = new Map(
  profile.nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
    const file = url.replace(/^.*\/(node_modules\/.*|[^/]+\/[^/]+)$/, "$1");
    return [id, `${functionName || "(anonymous)"}  ${file}:${lineNumber + 1}`];
  }),
);
const selfMs = new Map<string, number>();
profile.samples.forEach((id, index) => {
  const name = names.get(id) ?? "unknown";
  selfMs.set(name, (selfMs.get(name) ?? 0) + (profile.timeDeltas[index] ?? 0) / 1_000);
});
const isIdle = (name: string): boolean => /^\((idle|program)\)/.test(name);
const busy = [...selfMs].filter(([name]) => !isIdle(name));
const whole = busy.reduce((sum, [, ms]) => sum + ms, 0);
for (const [name, ms] of busy.sort(([, a], [, b]) => b - a).slice(0, Number(rows)))
  process.stdout.write(
    `${((ms / whole) * 100).toFixed(1).padStart(5)} % ${ms.toFixed(0).padStart(7)} ms  ${name}\n`,
  );
