"""The Lua scripts of the sessions: each is one atomic step on a session and on the list of its person's sessions.

A session is a hash: `value` (JSON), `ttl_ms`, `user` (the id of its person, absent for a stranger) and `client` (JSON:
what it was opened with). The list of a person is a sorted set of keys of sessions, each scored with the time at which
it ends, in milliseconds and their fraction: of two that begin within one, the earlier ends first. It is kept in the
step that changes a session, and who reads it takes out what has ended.

`ARGV[1]` is always the beginning of every key: keys follow from what is read, so they cannot all be named before.
"""

_KEYS = """
local function session_key(key) return ARGV[1] .. ':session:' .. key end
local function flashes_key(key) return ARGV[1] .. ':session:' .. key .. ':flashes' end
local function list_key(user) return ARGV[1] .. ':sessions:' .. user end

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
end

local function as_score(ms) return string.format('%.3f', ms) end

-- `how` is XX where a session is renewed, so that one that was just ended does not come back to the list.
local function list(user, key, ttl, how)
  local name = list_key(user)
  redis.call('ZADD', name, how, as_score(now_ms() + ttl), key)
  if redis.call('PTTL', name) < ttl then redis.call('PEXPIRE', name, string.format('%.0f', ttl)) end
end

local function forget(key, user)
  redis.call('DEL', session_key(key), flashes_key(key))
  if user then redis.call('ZREM', list_key(user), key) end
end
"""

# ARGV: prefix, session, cache state, milliseconds after which a use is noted again, people by when they were last seen.
# What a use renews also says when it was last used, so it is done every few minutes and not at every read, whose cost
# it would double.
LOAD = (
    _KEYS
    + """
local found = redis.call('HMGET', session_key(ARGV[2]), 'value', 'ttl_ms', 'user')
local flashes, renewed = 0, 0
if found[1] then
  local ttl = tonumber(found[2])
  local unused = ttl - redis.call('PTTL', session_key(ARGV[2]))
  if unused > ttl / 4 or unused > tonumber(ARGV[4]) then
    renewed = 1
    redis.call('PEXPIRE', session_key(ARGV[2]), ttl)
    redis.call('PEXPIRE', flashes_key(ARGV[2]), ttl)
    if found[3] then
      list(found[3], ARGV[2], ttl, 'XX')
      redis.call('ZADD', ARGV[5], as_score(now_ms()), found[3])
    end
  end
  flashes = redis.call('EXISTS', flashes_key(ARGV[2]))
end
return {found[1], flashes, renewed, redis.call('ZSCORE', ARGV[3], '-generation')}
"""
)

# ARGV: prefix, session.
IS_ALIVE = (
    _KEYS
    + """
return redis.call('EXISTS', session_key(ARGV[2]))
"""
)

# ARGV: prefix, session, value. Writes only what is there, so that a logout in another tab is not undone.
SAVE = (
    _KEYS
    + """
if redis.call('EXISTS', session_key(ARGV[2])) == 0 then return 0 end
redis.call('HSET', session_key(ARGV[2]), 'value', ARGV[3])
return 1
"""
)

# ARGV: prefix, new session, old session or '', value, ttl in ms, user or '', client, whether to keep the flashes, most
# sessions of one person: of more, those end that would end first; whether the old session has to be there still, so
# that what ended it is not undone.
REPLACE = (
    _KEYS
    + """
local new, old, ttl, user = ARGV[2], ARGV[3], tonumber(ARGV[5]), ARGV[6]
if ARGV[10] == '1' and redis.call('EXISTS', session_key(old)) == 0 then return 0 end
redis.call('HSET', session_key(new), 'value', ARGV[4], 'ttl_ms', ARGV[5], 'client', ARGV[7])
redis.call('PEXPIRE', session_key(new), ttl)
if old ~= '' then
  if ARGV[8] == '1' and redis.call('EXISTS', flashes_key(old)) == 1 then
    redis.call('RENAME', flashes_key(old), flashes_key(new))
    redis.call('PEXPIRE', flashes_key(new), ttl)
  end
  forget(old, redis.call('HGET', session_key(old), 'user'))
end
if user ~= '' then
  redis.call('HSET', session_key(new), 'user', user)
  list(user, new, ttl, 'CH')
  local surplus = redis.call('ZRANGE', list_key(user), 0, -1 - tonumber(ARGV[9]))
  for _, key in ipairs(surplus) do forget(key, user) end
end
return 1
"""
)

# ARGV: prefix, session.
DELETE = (
    _KEYS
    + """
forget(ARGV[2], redis.call('HGET', session_key(ARGV[2]), 'user'))
return 1
"""
)

# ARGV: prefix, user, session. Only a session that is this person's; whether there was one.
DELETE_OWN = (
    _KEYS
    + """
if redis.call('HGET', session_key(ARGV[3]), 'user') ~= ARGV[2] then return 0 end
forget(ARGV[3], ARGV[2])
return 1
"""
)

# ARGV: prefix, user, session to keep or ''. How many were ended.
DELETE_ALL = (
    _KEYS
    + """
local number = 0
for _, key in ipairs(redis.call('ZRANGE', list_key(ARGV[2]), 0, -1)) do
  if key ~= ARGV[3] then
    number = number + redis.call('EXISTS', session_key(key))
    forget(key, ARGV[2])
  end
end
return number
"""
)

# ARGV: prefix, user. For each session that lives: its key, value, client, and the milliseconds since its last use.
LIST = (
    _KEYS
    + """
redis.call('ZREMRANGEBYSCORE', list_key(ARGV[2]), '-inf', as_score(now_ms()))
local rows = {}
for _, key in ipairs(redis.call('ZRANGE', list_key(ARGV[2]), 0, -1)) do
  local found = redis.call('HMGET', session_key(key), 'value', 'client', 'ttl_ms')
  if found[1] then
    local unused = tonumber(found[3]) - redis.call('PTTL', session_key(key))
    rows[#rows + 1] = {key, found[1], found[2], unused}
  else
    redis.call('ZREM', list_key(ARGV[2]), key)
  end
end
return rows
"""
)

# ARGV: prefix, session, message, most messages kept.
ADD_FLASH = (
    _KEYS
    + """
local ttl = redis.call('HGET', session_key(ARGV[2]), 'ttl_ms')
if not ttl then return 0 end
redis.call('RPUSH', flashes_key(ARGV[2]), ARGV[3])
redis.call('LTRIM', flashes_key(ARGV[2]), -tonumber(ARGV[4]), -1)
redis.call('PEXPIRE', flashes_key(ARGV[2]), ttl)
return 1
"""
)

# ARGV: prefix, session.
TAKE_FLASHES = (
    _KEYS
    + """
local flashes = redis.call('LRANGE', flashes_key(ARGV[2]), 0, -1)
redis.call('DEL', flashes_key(ARGV[2]))
return flashes
"""
)
