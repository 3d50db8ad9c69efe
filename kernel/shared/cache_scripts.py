"""The Lua scripts of the cache: each is one atomic step on one sorted set that holds everything the tiers
agree on.

Members of the set are the tags, each scored with the generation of its last drop. The bookkeeping stands in
the same set, with negative scores so that ranges over drops never meet it: `-generation` (the last one given
out), `-epoch` (the first one since the set was made) and `-run:{id}` (the Redis server it was made on). One
key, so that it is lost as a whole or not at all: were tags keys of their own, a server that evicts one would
bring back what that tag had dropped.

A generation is the server's time in microseconds, or one more than the last when that is not later: it does
not repeat after a flush, and old drops can be pruned by their score. Numbers stay below 2^53, so Lua's
doubles hold them exactly; they travel as text, because both tostring and cjson would round them.
"""

STATE_KEY = ("cache", "state")
DROP_TOPIC = "cache-drop"

_STATE = """
local function as_text(number) return string.format('%.0f', number) end

local function server_time()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function begin_epoch(key, known, run)
  local epoch = math.max(server_time(), known + 1)
  redis.call('DEL', key)
  redis.call('ZADD', key, as_text(-epoch), '-epoch', as_text(-epoch), '-generation')
  if run ~= '' then redis.call('ZADD', key, '-1', '-run:' .. run) end
  return epoch, epoch
end

-- A generation below one that the caller knows means that this server has lost drops (restored from an old
-- snapshot, or a replica that took over): nothing older can be trusted.
local function read_state(key, known, run)
  local scores = redis.call('ZMSCORE', key, '-epoch', '-generation')
  if scores[1] and scores[2] and -tonumber(scores[2]) >= known then
    return -tonumber(scores[1]), -tonumber(scores[2])
  end
  return begin_epoch(key, known, run)
end

local function drops_since(key, known, limit)
  local from = '(' .. as_text(known)
  local listed = redis.call('ZRANGEBYSCORE', key, from, '+inf', 'WITHSCORES', 'LIMIT', 0, limit + 1)
  if #listed > limit * 2 then return false end
  for i = 2, #listed, 2 do listed[i] = as_text(tonumber(listed[i])) end
  return listed
end
"""

# KEYS: state. ARGV: generation known, id of the server's run, whether to compare it, most drops to list.
# Answers epoch, generation, and the drops since (tag, generation, …), or nil for those when there are too
# many.
POLL = (
    _STATE
    + """
local known = tonumber(ARGV[1])
local epoch, generation
if ARGV[3] == '1' and not redis.call('ZSCORE', KEYS[1], '-run:' .. ARGV[2]) then
  local latest = -tonumber(redis.call('ZSCORE', KEYS[1], '-generation') or 0)
  epoch, generation = begin_epoch(KEYS[1], math.max(known, latest), ARGV[2])
else
  epoch, generation = read_state(KEYS[1], known, ARGV[2])
end
return {as_text(epoch), as_text(generation), drops_since(KEYS[1], known, tonumber(ARGV[4]))}
"""
)

# KEYS: state. ARGV: generation known, run, most drops to list, channel, age in µs at which a drop is
# forgotten, tags.
DROP = (
    _STATE
    + """
local known = tonumber(ARGV[1])
local epoch, previous = read_state(KEYS[1], known, ARGV[2])
local now = server_time()
local generation = math.max(now, previous + 1)
for tag in string.gmatch(ARGV[6], '%S+') do redis.call('ZADD', KEYS[1], as_text(generation), tag) end
redis.call('ZADD', KEYS[1], as_text(-generation), '-generation')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(0', as_text(now - tonumber(ARGV[5])))
redis.call('PUBLISH', ARGV[4], '"""
    + DROP_TOPIC
    + """\\n' .. cjson.encode({
  epoch = as_text(epoch), since = as_text(previous), generation = as_text(generation), tags = ARGV[6]}))
return {as_text(epoch), as_text(generation), drops_since(KEYS[1], known, tonumber(ARGV[3]))}
"""
)

_CHECK = """
local function is_current(scores, made)
  if not scores[1] or not scores[2] or made < -tonumber(scores[1]) then return false end
  for i = 3, #scores do
    if scores[i] and tonumber(scores[i]) > made then return false end
  end
  return true
end

local function scores_of(key, text)
  local members = {'-epoch', '-generation'}
  for tag in string.gmatch(text, '%S+') do members[#members + 1] = tag end
  return redis.call('ZMSCORE', key, unpack(members))
end
"""

# KEYS: state, entries. ARGV: generation known. Answers for each entry, when it is valid, generation, ms to live, tags
# and value.
GET = (
    _CHECK
    + """
local found = {}
for i = 2, #KEYS do
  found[i - 1] = false
  local entry = redis.call('HMGET', KEYS[i], 'generation', 'tags', 'value')
  if entry[3] then
    local scores = scores_of(KEYS[1], entry[2])
    if is_current(scores, tonumber(entry[1])) and -tonumber(scores[2]) >= tonumber(ARGV[1]) then
      found[i - 1] = {entry[1], redis.call('PTTL', KEYS[i]), entry[2], entry[3]}
    else
      redis.call('DEL', KEYS[i])
    end
  end
end
return found
"""
)

# KEYS: state, entries, and for entries of a corner its list and its sizes. ARGV: generation before the data was read,
# longest time to live in µs, how many entries; for each entry tags, ms to live, value; and for a corner most entries
# and most bytes. Answers 1 for each that was kept. A reader slower than an entry may live is refused: the drops that it
# missed may be forgotten. From a corner that is full goes what was put there first.
PUT = (
    _CHECK
    + """
local made = tonumber(ARGV[1])
local time = redis.call('TIME')
local oldest = tonumber(time[1]) * 1000000 + tonumber(time[2]) - tonumber(ARGV[2])
local kept = {}
local count = tonumber(ARGV[3])
for i = 2, count + 1 do
  local at = 3 * (i - 1) + 1
  local scores = scores_of(KEYS[1], ARGV[at])
  local generation = scores[2] and -tonumber(scores[2])
  kept[i - 1] = 0
  if is_current(scores, made) and made <= generation and (made >= oldest or made == generation) then
    redis.call('DEL', KEYS[i])
    redis.call('HSET', KEYS[i], 'generation', ARGV[1], 'tags', ARGV[at], 'value', ARGV[at + 2])
    redis.call('PEXPIRE', KEYS[i], ARGV[at + 1])
    kept[i - 1] = 1
  end
end
local listed, sizes = KEYS[count + 2], KEYS[count + 3]
if not listed then return kept end

-- The sum stands under the empty name.
local function forget(key)
  redis.call('ZREM', listed, key)
  redis.call('HINCRBY', sizes, '', -tonumber(redis.call('HGET', sizes, key) or 0))
  redis.call('HDEL', sizes, key)
end

-- The server has thrown one of them away: what it said is lost.
if redis.call('EXISTS', listed, sizes) == 1 then redis.call('DEL', listed, sizes) end
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
for i = 2, count + 1 do
  if kept[i - 1] == 1 then
    local size = #ARGV[3 * (i - 1) + 3]
    forget(KEYS[i])
    redis.call('ZADD', listed, string.format('%.0f', now), KEYS[i])
    redis.call('HSET', sizes, KEYS[i], size)
    redis.call('HINCRBY', sizes, '', size)
  end
end
local most, most_bytes = tonumber(ARGV[#ARGV - 1]), tonumber(ARGV[#ARGV])
while redis.call('ZCARD', listed) > most or tonumber(redis.call('HGET', sizes, '') or 0) > most_bytes do
  local oldest_key = redis.call('ZRANGE', listed, 0, 0)[1]
  redis.call('DEL', oldest_key)
  forget(oldest_key)
end
for _, key in ipairs({listed, sizes}) do redis.call('PEXPIRE', key, math.ceil(tonumber(ARGV[2]) / 1000)) end
return kept
"""
)
