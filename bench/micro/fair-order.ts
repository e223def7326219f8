import { createFairOrder, type FairOrder } from "../../core/queue/fair-order.ts";
import { measureAll, type Micro } from "./measure.ts";

function orderOf(users: number): FairOrder {
  const order = createFairOrder();
  for (let n = 0; n < users; n += 1) order.join({ userId: `user-${n}`, priority: "normal" }, 1);
  return order;
}

/** A turn as the dispatcher takes it: a guess, the request's own estimate, and later what was settled. */
function turnOf(order: FairOrder): (i: number) => void {
  return (i) => {
    const userId = order.next()?.userId ?? "";
    order.charge(userId, 400);
    order.charge(userId, (i % 200) - 100);
    order.charge(userId, -(i % 150));
  };
}

await measureAll(
  [10, 1_000, 100_000].map((users): Micro => {
    return [`a turn among ${users.toLocaleString("en")} users`, turnOf(orderOf(users))];
  }),
);
