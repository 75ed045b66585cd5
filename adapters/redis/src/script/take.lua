-- Deletes the entry KEYS[3], the item ARGV[4], and returns it; nothing where there was none, or one that has ended.
local start, raw = live(KEYS[3])
if start == nil then return CORRUPT end
if not raw then return false end
tell(ARGV[4])
delete(ARGV[4], KEYS[3])
settle()
return start and raw
