/** From 0 to `count` in parts, [from, to). */
export function* partsOf(count: number, size: number, start = 0): Generator<[number, number]> {
  for (let from = start; from < count; from += size) yield [from, Math.min(count, from + size)];
}

/** Calls back with every tenth of the way; `done` may grow by any steps. */
export function everyTenth(whole: number, say: (text: string) => void): (done: number) => void {
  let told = 0;
  return (done) => {
    const tenth = Math.floor((done / whole) * 10);
    if (tenth <= told || tenth >= 10) return;
    told = tenth;
    say(`${tenth * 10} %`);
  };
}
