import { expect, test } from "bun:test";

import { groupFolder, parseHierarchies } from "./control-groups.ts";

const OF_A_PROCESS = `12:cpu,cpuacct:/user.slice
4:memory:/a:b
1:name=systemd:/
0::/user.slice/session.scope
`;

test("a group is made below our own in every hierarchy of version 1, and in no other", () => {
  const folders = parseHierarchies(OF_A_PROCESS).map((one) => groupFolder(one, "cluster"));

  expect(folders).toEqual([
    "/sys/fs/cgroup/cpu,cpuacct/user.slice/cluster",
    "/sys/fs/cgroup/memory/a:b/cluster",
    "/sys/fs/cgroup/systemd/cluster",
  ]);
});
