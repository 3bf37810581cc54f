-- deeplist: builds and sums a linked list of n nodes, sixteen times.
-- The peer of experiments/workloads/memory/deeplist.mena; arg[1] = nodes.
local n = tonumber(arg and arg[1]) or 1000000

local hash = 0
for _ = 1, 16 do
  local first = nil
  for value = 1, n do
    first = { value = value, next = first }
  end
  local sum = 0
  while first do
    sum = sum + first.value
    first = first.next
  end
  hash = (hash + sum) % 1000000007
end
print(string.format("deeplist %d", hash))
