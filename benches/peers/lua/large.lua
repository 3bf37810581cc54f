-- large: n tables of 65536 elements, of which the last four are kept.
-- The peer of experiments/workloads/memory/large.mena; arg[1] = tables.
local n = tonumber(arg and arg[1]) or 2048

local length = 65536
local kept = {}
local hash = 0
for i = 1, n do
  local large = {}
  for k = 1, length do
    large[k] = i
  end
  kept[i % 4 + 1] = large
  hash = (hash * 31 + large[length]) % 1000003
end
print(string.format("large %d", hash))
