import { createProxiedDatabase } from "../support/postgres.ts";
import { describeServerClockContract } from "./server-clock.ts";

describeServerClockContract("PostgreSQL", async () => {
  const { database, setAway, stop } = await createProxiedDatabase();
  return { ping: database.ping, setAway, stop };
});
