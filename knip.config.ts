import type { KnipConfig } from "knip";

const config: KnipConfig = {
  entry: [
    "cli/main.ts",
    "gateway/main.ts",
    "workers/main.ts",
    "collector/main.ts",
    "ml-sim/main.ts",
    "test/k8s/schemas/vendor.ts",
    "**/*.test.ts",
  ],
  project: ["**/*.ts", "lua/**/*.lua"],
  // Lua files are imported as text: knip then also reports a script that nothing loads.
  compilers: { lua: () => "" },
  ignoreExportsUsedInFile: true,
};

export default config;
