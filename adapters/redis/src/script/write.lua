-- Does all of the writes, or none where a condition does not hold: 1 or 0. Each has six arguments: the item, the condition
-- (`absent`, `equals` or nothing) and the value it names, the action (`put`, `delete` or `check`), the new entry and its
-- lifetime.
local FIRST, EACH = 3, 6
local count = #KEYS - 2
local is_there = {}
for n = 1, count do
  local at, key = FIRST + (n - 1) * EACH, KEYS[n + 2]
  local condition = ARGV[at + 2]
  if condition == '' then
    is_there[n] = exists(key)
    if is_there[n] == nil then return CORRUPT end
  else
    local start, raw = live(key)
    if start == nil then return CORRUPT end
    if condition == 'absent' and start then return 0 end
    if condition == 'equals' and not (start and raw:sub(start) == ARGV[at + 3]) then return 0 end
    is_there[n] = raw ~= nil
  end
end
local has_changed = false
for n = 1, count do
  local at = FIRST + (n - 1) * EACH
  local action = ARGV[at + 4]
  if action == 'put' or action == 'delete' and is_there[n] then
    tell(ARGV[at + 1])
    has_changed = true
  end
end
if not has_changed then return 1 end
for n = 1, count do
  local at, key = FIRST + (n - 1) * EACH, KEYS[n + 2]
  local item, action = ARGV[at + 1], ARGV[at + 4]
  if action == 'put' then
    put(item, key, ARGV[at + 5], ARGV[at + 6])
  elseif action == 'delete' then
    delete(item, key)
  end
end
settle()
return 1
