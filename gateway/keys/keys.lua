-- Keys of a domain. KEYS[1] is the prefix `{keys:<domain>}`; with it begin
--
--   :records  hash    id -> record, the JSON that gateway/keys/record.py writes
--   :names    hash    name -> id, of keys that are not revoked
--   :digests  hash    SHA-256 of a text, in hex -> id
--   :ended    zset    id by the time at which the key ended or will end
--   :changes  stream  one entry a change, its field is the id
--
-- Names, tenants and models are only ever fields and values, never part of a key's name.
-- An ended key is kept for KEPT_S, so that `list --all` can show it and its name tells its story.
-- Its name is free at once. The id of the last change is the version: after lost writes, or on a
-- store that was emptied, it is not found, and the caller gets everything anew.

local KEPT_S = 30 * 86400
local SWEPT = 50
local CHANGES = 1000
local PAGE = 500

local prefix = KEYS[1]
local records, names, digests = prefix .. ':records', prefix .. ':names', prefix .. ':digests'
local ended, changes = prefix .. ':ended', prefix .. ':changes'

local function given(value)
  return value ~= nil and value ~= cjson.null
end

local function unindex(record)
  for _, secret in ipairs(record.secrets) do
    redis.call('HDEL', digests, secret.sha256)
  end
  if redis.call('HGET', names, record.name) == record.id then
    redis.call('HDEL', names, record.name)
  end
  redis.call('ZREM', ended, record.id)
end

local function index(record)
  for _, secret in ipairs(record.secrets) do
    redis.call('HSET', digests, secret.sha256, record.id)
  end
  if not given(record.revoked) then
    redis.call('HSET', names, record.name, record.id)
  end
  local ends = given(record.revoked) and record.revoked or record.expires
  if given(ends) then
    redis.call('ZADD', ended, string.format('%.3f', ends), record.id)
  end
end

local function changed(id)
  redis.call('XADD', changes, 'MAXLEN', '~', CHANGES, '*', 'id', id)
end

local function sweep(now)
  local before = string.format('%.3f', now - KEPT_S)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', ended, '-inf', before, 'LIMIT', 0, SWEPT)) do
    local raw = redis.call('HGET', records, id)
    redis.call('ZREM', ended, id)
    if raw then
      unindex(cjson.decode(raw))
      redis.call('HDEL', records, id)
      changed(id)
    end
  end
end

local operations = {}

-- {now, record, most} -> 'ok', or why not: 'taken', 'full'
function operations.create(now, raw, most)
  sweep(now)
  local record = cjson.decode(raw)
  local holder = redis.call('HGET', names, record.name)
  if holder then
    local ends = redis.call('ZSCORE', ended, holder)
    if not ends or tonumber(ends) > now then
      return 'taken'
    end
  end
  if redis.call('HLEN', records) >= most then
    return 'full'
  end
  redis.call('HSET', records, record.id, raw)
  index(record)
  changed(record.id)
  return 'ok'
end

-- {id, former, record} -> 1, or 0 where the record is no longer `former`
function operations.replace(id, former, raw)
  if redis.call('HGET', records, id) ~= former then
    return 0
  end
  unindex(cjson.decode(former))
  redis.call('HSET', records, id, raw)
  index(cjson.decode(raw))
  changed(id)
  return 1
end

-- {id or name} -> record or nothing; a name means the key that is not revoked
function operations.named(reference)
  local id = redis.call('HGET', names, reference) or reference
  return redis.call('HGET', records, id)
end

-- {digest} -> {id, record} or nothing
function operations.holder(digest)
  local id = redis.call('HGET', digests, digest)
  local raw = id and redis.call('HGET', records, id)
  return raw and {id, raw}
end

-- {version or ''} -> {version now, whether the one given is known, {id, record or nothing, …}}
function operations.since(version)
  local last = redis.call('XREVRANGE', changes, '+', '-', 'COUNT', 1)[1]
  local now_at = last and last[1] or ''
  if version == '' or #redis.call('XRANGE', changes, version, version) == 0 then
    return {now_at, 0, {}}
  end
  local found, seen = {}, {}
  for _, entry in ipairs(redis.call('XRANGE', changes, version, '+')) do
    local id = entry[2][2]
    if entry[1] ~= version and not seen[id] then
      seen[id] = true
      found[#found + 1] = id
      found[#found + 1] = redis.call('HGET', records, id)
    end
  end
  return {now_at, 1, found}
end

-- {cursor} -> {next cursor, {id, record, …}}: some PAGE records, so that nobody waits for all
function operations.page(cursor)
  return redis.call('HSCAN', records, cursor, 'COUNT', PAGE)
end

local call = cmsgpack.unpack(ARGV[1])
return operations[call[1]](unpack(call, 2))
