-- permute: all permutations of six elements by swapping (Are-We-Fast-Yet).
-- The peer of experiments/workloads/awfy/permute.mena; arg[1] = iterations.
local n = tonumber(arg and arg[1]) or 1000

local Permute = {}
Permute.__index = Permute

function Permute.new()
  return setmetatable({ count = 0, v = nil }, Permute)
end

function Permute:swap(i, j)
  local v = self.v
  local tmp = v[i]
  v[i] = v[j]
  v[j] = tmp
end

function Permute:permute(k)
  self.count = self.count + 1
  if k ~= 0 then
    local k1 = k - 1
    self:permute(k1)
    for i = k1, 0, -1 do
      self:swap(k1 + 1, i + 1)
      self:permute(k1)
      self:swap(k1 + 1, i + 1)
    end
  end
end

function Permute:benchmark()
  self.count = 0
  self.v = { 0, 1, 2, 3, 4, 5 }
  self:permute(6)
  return self.count
end

local result
for _ = 1, n do
  result = Permute.new():benchmark()
  assert(result == 8660, "permute: wrong result")
end
print("permute " .. result)
