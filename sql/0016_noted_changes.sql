-- Why an operator did something, and what it changed. A release from before writes the reason into detail.
alter table operator_actions
  add column reason text,
  add column before jsonb,
  add column after jsonb;

-- What one operator did.
create index operator_actions_actor on operator_actions (actor, action_id);
