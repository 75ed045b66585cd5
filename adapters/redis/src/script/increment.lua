-- Adds ARGV[5] to the counter KEYS[3], the item ARGV[4], and returns the sum as text, since a number of Lua's holds 53
-- bits. A new counter begins with the head ARGV[6] and has the lifetime ARGV[7].
local NO_COUNTER = redis.error_reply('NOTACOUNTER the entry is no counter, or its sum would leave i64')
local key, item = KEYS[3], ARGV[4]
local start, raw = live(key)
if start == nil then return CORRUPT end
local count, head = '0', ARGV[6]
if start then
  -- Redis counts on from what it would write itself; a sign and zeros in front are read too.
  -- In two steps: one pattern for both takes the square of the time where zeros stand in front of something else, and
  -- Redis serves nobody meanwhile.
  local sign, all = raw:match('^([+-]?)(%d+)$', start)
  local digits = all and all:match('^0*(%d+)$')
  if not digits then return NO_COUNTER end
  count = (sign == '-' and digits ~= '0') and '-' .. digits or digits
  head = raw:sub(1, start - 1)
end
tell(item)
redis.call('SET', key, count, 'KEEPTTL')
local sum = redis.pcall('INCRBY', key, ARGV[5])
if type(sum) == 'table' then
  redis.call('SET', key, raw, 'KEEPTTL')
  return NO_COUNTER
end
local text = redis.call('GET', key)
if start then
  redis.call('SET', key, head .. text, 'KEEPTTL')
else
  put(item, key, head .. text, ARGV[7])
end
settle()
return text
