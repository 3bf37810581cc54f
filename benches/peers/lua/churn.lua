-- churn: n tables of 4 to 128 elements take and leave 4096 slots at random.
-- The peer of experiments/workloads/memory/churn.mena; arg[1] = steps.
local n = tonumber(arg and arg[1]) or 1200000

-- Park and Miller's generator.
local seed = 11
local function random()
  seed = seed * 48271 % 2147483647
  return seed
end

local count = 4096
local slots = {}
local hash = 0
for step = 1, n do
  local i = random() % count + 1
  local size = 2 ^ (2 + random() % 6)
  local old = slots[i]
  if old then
    hash = (hash * 31 + old[1]) % 1000003
  end
  local new = {}
  for k = 1, size do
    new[k] = step
  end
  slots[i] = new
end
print(string.format("churn %d", hash))
