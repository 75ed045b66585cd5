-- Deletes those of the entries that have ended, and takes from the indexes what is not there; returns how many had ended.
-- Their items are ARGV[4] and so on.
local count = 0
for n = 3, #KEYS do
  local key, item = KEYS[n], ARGV[n + 1]
  -- 24 bytes are the longest head.
  local start = redis.pcall('GETRANGE', key, 0, 23)
  if start == '' then
    delete(item, key)
  elseif type(start) == 'string' then
    local ending = start:match('^e1:(%d+):')
    if ending and tonumber(ending) <= now then
      delete(item, key)
      count = count + 1
    end
  end
end
settle()
return count
