-- Shared by the scripts that load a user, or take part while one is loaded; it goes after books.lua and
-- before the script's own text.
local loading = user .. ':quota:loading'
local settled_log = user .. ':quota:loading:settled'
-- An entry that the log begins with, of no request: without it the log was lost, and settlements with it.
local LOG_BEGUN = ''
-- Unix milliseconds of the last load, by Redis.
local loaded_at = user .. ':quota:loaded-at'

-- Bounds how long one loading may take; then the next one begins anew.
local LOADING_TTL_MS = 60000
-- How long a user counts as known after a load that may have missed a bill.
local UNSURE_KNOWN_FOR_MS = 2000
