-- cycles: n doubly linked rings of sixteen nodes, of which the last 256 are kept.
-- The peer of experiments/workloads/memory/cycles.mena; arg[1] = rings.
local n = tonumber(arg and arg[1]) or 1200000

-- A ring whose nodes have the values first, 2, 3, … length.
local function ring(first, length)
  local start = { value = first, next = nil, previous = nil }
  local last = start
  for value = 2, length do
    local node = { value = value, next = nil, previous = last }
    last.next = node
    last = node
  end
  last.next = start
  start.previous = last
  return start
end

local length, keep = 16, 256
local kept = {}
for i = 1, n do
  kept[i % keep + 1] = ring(i, length)
end
local hash = 0
for i = 1, keep do
  local node = kept[i]
  for _ = 1, length do
    hash = (hash * 31 + node.value) % 1000003
    node = node.next
  end
end
print(string.format("cycles %d", hash))
