-- The entries KEYS, in their order, as many as fit into so many bytes, and one at least.
local bytes, page = 0, {}
for n = 1, #KEYS do
  local raw = redis.call('GET', KEYS[n])
  page[n] = raw
  if raw then bytes = bytes + #raw end
  if bytes >= tonumber(ARGV[1]) then break end
end
return page
