-- What a key may be used for; null: everything that its user may. Set when the key is made, and never
-- changed: gateways have it with what they cache.
alter table api_keys
  add column models text[] check (cardinality(models) > 0),
  add column routes text[] check (cardinality(routes) > 0 and routes <@ array['submit', 'read', 'cancel']);
