-- The entry KEYS[1] up to its byte ARGV[1], and how long it is in all.
return { redis.call('GETRANGE', KEYS[1], 0, ARGV[1]), redis.call('STRLEN', KEYS[1]) }
