-- What all spellings of an email have in common, so that ünï@ and ÜNÏ@ are one. The application folds
-- (core/email.ts): what lower() makes of other letters than a to z depends on the collation of the database.
-- null: the user was added by a release that did not fold, and ./tollgate migrate has not folded it since, or
-- another user has the same email. Such a user is found by the email as it is stored, whatever the case as
-- far as lower() knows it.
alter table users add column email_folded text;

create unique index users_email_folded_key on users (email_folded);
