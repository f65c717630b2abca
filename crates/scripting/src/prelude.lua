-- The sandbox that scripts run in, and the driver that runs them.
--
-- Plain Lua 5.1 has no read-only tables. What scripts must not change is
-- therefore an empty table (a proxy) before the one that holds the fields:
-- reads go through `__index`, writes are refused, and each function that would
-- look past metatables is replaced by one that knows proxies.
--
-- Everything here uses upvalues only and runs in an environment of its own, so
-- that a script which gets hold of one of these functions gets nothing else.
-- Errors that the standard library raises on behalf of these functions begin
-- with this chunk's name; `rust.reveal` and `rust.describe` put the script's
-- position there.

local rust = ...

local assert, error, getfenv, getmetatable, ipairs, load, loadstring, newproxy =
  assert, error, getfenv, getmetatable, ipairs, load, loadstring, newproxy
local next, pairs, pcall, rawequal, rawget, rawset, select, setfenv, setmetatable =
  next, pairs, pcall, rawequal, rawget, rawset, select, setfenv, setmetatable
local tonumber, tostring, type, unpack, xpcall, gcinfo, collectgarbage =
  tonumber, tostring, type, unpack, xpcall, gcinfo, collectgarbage
local string, table, math, coroutine, version = string, table, math, coroutine, _VERSION
local byte, concat, floor = string.byte, table.concat, math.floor
local describe, reveal, is_killed = rust.describe, rust.reveal, rust.is_killed

-- Proxies -----------------------------------------------------------------

local READONLY = 'Attempt to modify a readonly table'

-- Proxy to the table behind it.
local behind = {}

local function refuse()
  error(READONLY, 2)
end

local function readonly(fields)
  local proxy = {}
  behind[proxy] = fields
  return setmetatable(proxy, { __index = fields, __newindex = refuse, __metatable = false })
end

local sealed = readonly({})
setfenv(1, sealed)

local function missing(_, name)
  local kind = type(name)
  if kind ~= 'string' and kind ~= 'number' then
    error('Second argument to luaProtectedTableError must be a string or number', 2)
  end
  error("Script attempted to access nonexistent global variable '" .. name .. "'", 2)
end

-- Depth of the C stack ------------------------------------------------------
--
-- Lua counts nested C calls per coroutine, so coroutines within coroutines,
-- and the big buffers of nested `gsub`s, would overflow the process' stack.

local MAX_COROUTINES = 16
local MAX_GSUBS = 40
local coroutines, gsubs = 0, 0

-- Errors --------------------------------------------------------------------

-- As `pcall` of Redis: of a table with an `err`, what was caught is the text.
local function caught(nested, callbacks, ok, ...)
  coroutines, gsubs = nested, callbacks
  if ok then
    return true, ...
  end
  local reason = reveal((...))
  if type(reason) == 'table' then
    local text = reason.err
    local kind = type(text)
    if kind == 'string' or kind == 'number' then
      reason = text
    end
  end
  return false, reason
end

local function revealed(nested, callbacks, ok, ...)
  coroutines, gsubs = nested, callbacks
  if ok then
    return true, ...
  end
  return false, reveal((...))
end

local safe = {}

function safe.pcall(...)
  return caught(coroutines, gsubs, pcall(...))
end

-- What ends a script must not be raised within a handler, where Lua would make
-- another error of it: it passes by the handler and is raised behind it.
function safe.xpcall(...)
  local body, handler = ...
  if select('#', ...) < 2 then
    error("bad argument #2 to 'xpcall' (value expected)", 2)
  end
  return revealed(coroutines, gsubs, xpcall(body, function(reason)
    if is_killed(reason) then
      return reason
    end
    return handler(reveal(reason))
  end))
end

local resume = coroutine.resume

local function safe_resume(thread, ...)
  if coroutines >= MAX_COROUTINES then
    return false, 'C stack overflow'
  end
  coroutines = coroutines + 1
  return revealed(coroutines - 1, gsubs, resume(thread, ...))
end

local function unwrapped(ok, ...)
  if ok then
    return ...
  end
  local reason = ...
  if type(reason) == 'string' then
    error(reason, 3)
  end
  error(reason, 0)
end

local create, wrap = coroutine.create, coroutine.wrap

function coroutine.wrap(...)
  local body = ...
  if type(body) ~= 'function' then
    return wrap(...)
  end
  local thread = create(body)
  return function(...)
    return unwrapped(safe_resume(thread, ...))
  end
end

coroutine.resume = safe_resume

-- Functions that look past metatables ---------------------------------------

function safe.next(...)
  local t, key = ...
  if behind[t] then
    return next(behind[t], key)
  end
  return next(...)
end

function safe.pairs(...)
  local t = ...
  if behind[t] then
    return safe.next, t, nil
  end
  return pairs(...)
end

function safe.rawget(...)
  local t, key = ...
  if behind[t] then
    return rawget(behind[t], key)
  end
  return rawget(...)
end

-- Metatables of `newproxy(true)`: without finalizers, which would run within
-- whatever script is running when the collector finds them.
local shielded = setmetatable({}, { __mode = 'k' })
local NO_FINALIZER = 'finalizers are not available to scripts'
local shield = {
  __newindex = function(t, key, value)
    if key == '__gc' then
      error(NO_FINALIZER, 2)
    end
    rawset(t, key, value)
  end,
  __metatable = false,
}

function safe.newproxy(kind)
  local proxy = newproxy(kind)
  if kind == true then
    local metatable = getmetatable(proxy)
    shielded[metatable] = true
    setmetatable(metatable, shield)
  end
  return proxy
end

function safe.rawset(...)
  local t, key = ...
  if behind[t] then
    error(READONLY, 0)
  elseif key == '__gc' and shielded[t] then
    error(NO_FINALIZER, 0)
  end
  return rawset(...)
end

function safe.setmetatable(...)
  if behind[(...)] then
    error(READONLY, 0)
  end
  return setmetatable(...)
end

local insert, remove, sort = table.insert, table.remove, table.sort

local function check_writable(t)
  if behind[t] then
    error(READONLY, 0)
  end
end

function table.insert(...)
  check_writable((...))
  return insert(...)
end

function table.remove(...)
  check_writable((...))
  return remove(...)
end

function table.sort(...)
  check_writable((...))
  return sort(...)
end

-- Environments, code ----------------------------------------------------------

local NO_ENVIRONMENT = "'setfenv' cannot change environment of given object"

-- A thread's own environment (level 0) is what all scripts have in common.
function safe.setfenv(target, environment)
  local level = tonumber(target)
  if not level then
    if type(target) == 'function' and rawequal(getfenv(target), sealed) then
      error(NO_ENVIRONMENT, 0)
    end
    return setfenv(target, environment)
  elseif level < 1 then
    error(READONLY, 0)
  end
  level = floor(level) + 1
  if rawequal(getfenv(level), sealed) then
    error(NO_ENVIRONMENT, 0)
  end
  return setfenv(level, environment)
end

-- Bytecode is not checked when it is loaded: it could read any memory.
function safe.loadstring(...)
  local text = ...
  if type(text) == 'string' and byte(text, 1) == 27 then
    return nil, 'attempt to load a binary chunk'
  end
  return loadstring(...)
end

function safe.load(...)
  local reader, name = ...
  if type(reader) ~= 'function' then
    return load(...)
  end
  local pieces, count = {}, 0
  while true do
    local ok, piece = safe.pcall(reader)
    if not ok then
      return nil, piece
    elseif piece == nil or piece == '' then
      break
    elseif type(piece) ~= 'string' then
      return nil, "reader function must return a string"
    end
    count = count + 1
    pieces[count] = piece
  end
  return safe.loadstring(concat(pieces), name or '=(load)')
end

-- The collector's pace is the server's matter.
function safe.collectgarbage(option, ...)
  if option == 'stop' or option == 'restart' or option == 'setpause' or option == 'setstepmul' then
    return 0
  end
  return collectgarbage(option, ...)
end

-- Long calls --------------------------------------------------------------------
--
-- The binding keeps each argument of a call in a slot, and there are some 8000.
-- Only `unpack` yields that many: where code names it, calls of commands hand
-- over more than a few as a list.

local MAX_ARGUMENTS = 1000
local calls = rust.redis
local direct, counted = { call = calls.call, pcall = calls.pcall }, {}

for name, call in pairs(direct) do
  local by_list = rust.by_list[name]
  counted[name] = function(...)
    local count = select('#', ...)
    if count > MAX_ARGUMENTS then
      return by_list({ ... }, count)
    end
    return call(...)
  end
end

-- Strings -----------------------------------------------------------------------

-- Each of these items of a pattern may be a level of recursion in the matcher.
local MAX_PATTERN = 8192
local NESTING_ITEMS = '[?*+()%-]'
-- A bigger allocation may well fail, which would end the process.
local MAX_REPEATED = 2 ^ 31

local find, match, gmatch, gsub = string.find, string.match, string.gmatch, string.gsub

local function check_pattern(_, pattern)
  if type(pattern) == 'string' and #pattern > MAX_PATTERN and find(pattern, NESTING_ITEMS) then
    error('pattern too complex', 3)
  end
end

function string.find(...)
  local _, _, _, is_plain = ...
  if not is_plain then
    check_pattern(...)
  end
  return find(...)
end

function string.match(...)
  check_pattern(...)
  return match(...)
end

function string.gmatch(...)
  check_pattern(...)
  return gmatch(...)
end

local function substituted(callbacks, ...)
  gsubs = callbacks
  return ...
end

function string.gsub(...)
  check_pattern(...)
  local _, _, replacement = ...
  local kind = type(replacement)
  if kind ~= 'function' and kind ~= 'table' then
    return gsub(...)
  elseif gsubs >= MAX_GSUBS then
    error('C stack overflow', 2)
  end
  gsubs = gsubs + 1
  return substituted(gsubs - 1, gsub(...))
end

local rep = string.rep

function string.rep(...)
  local text, count = ...
  local kind = type(text)
  if (kind == 'string' or kind == 'number') and tonumber(count) and #tostring(text) * tonumber(count) > MAX_REPEATED then
    error('not enough memory', 0)
  end
  return rep(...)
end

math.random = rust.random
math.randomseed = rust.randomseed

-- Globals -------------------------------------------------------------------------

local string_proxy = readonly(string)
getmetatable('').__metatable = readonly({ __index = string_proxy })

local redis = readonly(rust.redis)
local globals = {
  _VERSION = version,
  assert = assert,
  bit = readonly(rust.bit),
  cjson = readonly(rust.cjson),
  cmsgpack = readonly(rust.cmsgpack),
  collectgarbage = safe.collectgarbage,
  coroutine = readonly(coroutine),
  error = error,
  gcinfo = gcinfo,
  getfenv = getfenv,
  getmetatable = getmetatable,
  ipairs = ipairs,
  load = safe.load,
  loadstring = safe.loadstring,
  math = readonly(math),
  newproxy = safe.newproxy,
  next = safe.next,
  os = readonly({ clock = rust.clock }),
  pairs = safe.pairs,
  pcall = safe.pcall,
  rawequal = rawequal,
  rawget = safe.rawget,
  rawset = safe.rawset,
  redis = redis,
  select = select,
  server = redis,
  setfenv = safe.setfenv,
  setmetatable = safe.setmetatable,
  string = string_proxy,
  struct = readonly(rust.struct),
  table = readonly(table),
  tonumber = tonumber,
  tostring = tostring,
  type = type,
  unpack = unpack,
  xpcall = safe.xpcall,
}
local meta_globals = readonly({ __index = missing })
setmetatable(globals, { __index = missing })
local environment_contents = { __index = globals, __newindex = refuse, __metatable = meta_globals }
local environment = setmetatable({}, environment_contents)
behind[environment] = globals
globals._G = environment

-- What a library sees while it registers its functions: this API and nothing else.
setmetatable(rust.library, { __index = missing })
local library_redis = readonly(rust.library)
local library = setmetatable({ redis = library_redis, server = library_redis }, { __index = missing })

-- The driver ------------------------------------------------------------------------

local driver = { environment = environment }

function driver.set_long_calls(long)
  local chosen = long and counted or direct
  calls.call, calls.pcall = chosen.call, chosen.pcall
end

-- Tables of keys and arguments: they come so behind -1, or as words behind the
-- number of keys.
local function divided(count, ...)
  if count < 0 then
    return ...
  elseif count == 0 then
    return {}, { ... }
  end
  local keys, arguments = { ... }, {}
  for index = count + 1, #keys do
    arguments[index - count], keys[index] = keys[index], nil
  end
  return keys, arguments
end

-- Runs a script, whose keys and arguments are globals.
function driver.script(program, ...)
  globals.KEYS, globals.ARGV = divided(...)
  coroutines, gsubs = 0, 0
  -- The last run may have given it another.
  setfenv(program, environment)
  return xpcall(program, describe)
end

-- Runs a library's function, which gets its keys and arguments.
driver['function'] = function(callback, ...)
  local keys, arguments = divided(...)
  coroutines, gsubs = 0, 0
  return xpcall(function()
    return callback(keys, arguments)
  end, describe)
end

-- Runs a library's code. The functions that it defines see the same environment,
-- which holds all the rest by the time they run.
function driver.library(code)
  coroutines, gsubs = 0, 0
  environment_contents.__index = library
  local ok, reason = pcall(code)
  environment_contents.__index = globals
  return ok, reason
end

return driver
