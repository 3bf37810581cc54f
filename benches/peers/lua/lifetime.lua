-- lifetime: n objects, of which one in sixteen lives on in a ring of 8192.
-- The peer of experiments/workloads/memory/lifetime.mena; arg[1] = objects.
local n = tonumber(arg and arg[1]) or 12000000

-- Park and Miller's generator.
local seed = 5
local function random()
  seed = seed * 48271 % 2147483647
  return seed
end

local window = 8192
local ring = {}
for k = 1, window do
  ring[k] = false
end
local hash = 0
for i = 1, n do
  local object = { value = i, other = false }
  local x = random()
  if x % 16 == 0 then
    local k = math.floor(x / 16) % window
    if ring[(k + 1) % window + 1] then
      object.other = { value = i, other = false }
    end
    ring[k + 1] = object
  else
    hash = (hash + object.value) % 1000003
  end
end
for k = 1, window do
  local object = ring[k]
  if object then
    hash = (hash * 31 + object.value) % 1000003
  end
end
print(string.format("lifetime %d", hash))
