import type { KnipConfig } from "knip";

const config: KnipConfig = {
  entry: [
    "cli/main.ts",
    // A process of its own, started by `up`.
    "local/supervision/supervisor.ts",
    "gateway/main.ts",
    "workers/main.ts",
    "collector/main.ts",
    "ml-sim/main.ts",
    "test/main.ts",
    "test/faults/main.ts",
    // Started in a network namespace of its own.
    "test/faults/packet-loss.ts",
    "test/k8s/redis-namespace.ts",
    // Killed with all that it has started.
    "test/drills/nodes-alone.ts",
    "bench/main.ts",
    "drill/main.ts",
    // Started in the network of the cluster, and in a pod.
    "drill/production/main.ts",
    "drill/production/probe.ts",
    "bench/load/paced/main.ts",
    "bench/peers/echo/main.ts",
    // Bundled into the page of a report.
    "bench/report/draw.js",
    "test/k8s/schemas/vendor.ts",
    "**/*.test.ts",
  ],
  project: ["**/*.ts", "lua/**/*.lua"],
  // Run by test/run/checks.ts.
  ignoreDependencies: ["oxfmt", "oxlint", "oxlint-tsgolint"],
  // Lua files are imported as text: knip then also reports a script that nothing loads.
  compilers: { lua: () => "" },
  ignoreExportsUsedInFile: true,
};

export default config;
