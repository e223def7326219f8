import { expect, test } from "bun:test";

import { CommandFailure } from "../adapters/terminal/failure.ts";
import { chooseRounds, phaseNames } from "./cluster-command.ts";

const namesOf = (only: string | undefined): string[] =>
  chooseRounds(only)
    .flat()
    .map(({ name }) => name);

test("without a choice every phase runs", () => {
  expect(namesOf(undefined)).toEqual(phaseNames);
});

test("phases that are named run in the drill's order, after Tollgate is applied", () => {
  expect(namesOf("kills, wake")).toEqual(["apply", "wake", "kills"]);
});

test("a phase that there is not is refused, with those that there are", () => {
  expect(() => chooseRounds("wake,sleep")).toThrow(CommandFailure);
  expect(() => chooseRounds("wake,sleep")).toThrow(
    "there is no phase sleep; there are apply, wake",
  );
});
