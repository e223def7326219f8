-- The class in which a request waits for its turn: 0 high, 2 low, null normal. `parked` has it while the
-- request is parked; here it stays, so that whoever publishes the request again keeps its class.
alter table requests add column priority smallint;
