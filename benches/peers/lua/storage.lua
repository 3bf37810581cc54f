-- storage: a tree of arrays, depth 7, four children each (Are-We-Fast-Yet).
-- The peer of experiments/workloads/awfy/storage.mena; arg[1] = iterations.
-- Lua cannot preallocate an array: as in Are-We-Fast-Yet's Lua version a leaf
-- only records its length.
local n = tonumber(arg and arg[1]) or 500

local Random = {}
Random.__index = Random

function Random.new()
  return setmetatable({ seed = 74755 }, Random)
end

function Random:next()
  self.seed = (self.seed * 1309 + 13849) % 65536
  return self.seed
end

local Storage = {}
Storage.__index = Storage

function Storage.new()
  return setmetatable({ count = 0 }, Storage)
end

function Storage:build_tree_depth(depth, random)
  self.count = self.count + 1
  if depth == 1 then
    return { n = random:next() % 10 + 1 }
  end
  return {
    self:build_tree_depth(depth - 1, random),
    self:build_tree_depth(depth - 1, random),
    self:build_tree_depth(depth - 1, random),
    self:build_tree_depth(depth - 1, random),
  }
end

function Storage:benchmark()
  local random = Random.new()
  self.count = 0
  self:build_tree_depth(7, random)
  return self.count
end

local result
for _ = 1, n do
  result = Storage.new():benchmark()
  assert(result == 5461, "storage: wrong result")
end
print("storage " .. result)
