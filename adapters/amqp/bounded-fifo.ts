/** A first-in, first-out line of at most `max` items, in a ring that never grows. */
export class BoundedFifo<Item> {
  readonly #ring: (Item | undefined)[];
  #head = 0;
  #size = 0;

  constructor(max: number) {
    this.#ring = Array.from({ length: max });
  }

  get size(): number {
    return this.#size;
  }

  /** Adds an item at the end; false: the line is full. */
  push(item: Item): boolean {
    if (this.#size === this.#ring.length) return false;
    this.#ring[(this.#head + this.#size) % this.#ring.length] = item;
    this.#size += 1;
    return true;
  }

  /** The item that would leave next. */
  peek(): Item | undefined {
    return this.#ring[this.#head];
  }

  /** Takes out the item that came first. */
  shift(): Item | undefined {
    const item = this.#ring[this.#head];
    if (this.#size === 0) return undefined;
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#ring.length;
    this.#size -= 1;
    return item;
  }
}
