-- What the scripts on one partition share; it stands in front of each.
--
-- KEYS[1] is the sorted set of its items, KEYS[2] that of its ends, and the entries follow. ARGV[1] is the time by the
-- store's clock, ARGV[2] the channel of the partition's changes, ARGV[3] what publishes there.
--
-- Two clocks meet here. Whether an entry has ended is judged by the store's, whose end stands in the entry. When memory is
-- freed is Redis' own matter: `ends` has the moments, by Redis' clock, from which an entry is no longer there.
local items, ends = KEYS[1], KEYS[2]
local now = tonumber(ARGV[1])
local time = redis.call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)

local CORRUPT = redis.error_reply('CORRUPT the entry was not written by this store')

-- What is of another type is noticed before anything is written, since nothing takes back what a script has done.
redis.call('ZCARD', items)
redis.call('ZCARD', ends)

-- Where a value begins that has not ended, and the whole entry; false where there is none, nil where it is no entry.
local function live(key)
  local raw = redis.call('GET', key)
  if not raw then return false end
  local ending, start = raw:match('^e1:(%d*):()')
  if not start then return nil end
  if ending ~= '' and tonumber(ending) <= now then return false, raw end
  return start, raw
end

-- Whether there is an entry, ended or not; nil where something else is there.
local function exists(key)
  local mark = redis.call('GETRANGE', key, 0, 2)
  if mark == '' then return false end
  if mark ~= 'e1:' then return nil end
  return true
end

-- Told before the first write: who may not publish is then refused before anything has changed, and nobody sees the
-- script's work half done all the same.
local function tell(item) redis.call(ARGV[3], ARGV[2], item) end

-- Writes an entry, which Redis deletes after so many milliseconds, or never where `lifetime` is empty.
local function put(item, key, raw, lifetime)
  if lifetime == '' then
    redis.call('SET', key, raw)
    redis.call('ZREM', ends, item)
  else
    redis.call('SET', key, raw, 'PX', lifetime)
    redis.call('ZADD', ends, clock + lifetime, item)
  end
  redis.call('ZADD', items, 0, item)
end

local function delete(item, key)
  redis.call('DEL', key)
  redis.call('ZREM', items, item)
  redis.call('ZREM', ends, item)
end

-- Lets the indexes end with their last entry, and not grow with what Redis has deleted. A second is kept between, since
-- Redis does not say what the time is to it within one script.
local function settle()
  local gone = redis.call('ZRANGEBYSCORE', ends, '-inf', clock - 1000, 'LIMIT', 0, 64)
  if #gone > 0 then
    redis.call('ZREM', items, unpack(gone))
    redis.call('ZREM', ends, unpack(gone))
  end
  local last = redis.call('ZREVRANGE', ends, 0, 0, 'WITHSCORES')[2]
  if last and redis.call('ZCARD', items) == redis.call('ZCARD', ends) then
    local at = string.format('%.0f', last + 1000)
    redis.call('PEXPIREAT', items, at)
    redis.call('PEXPIREAT', ends, at)
  else
    redis.call('PERSIST', items)
    redis.call('PERSIST', ends)
  end
end
