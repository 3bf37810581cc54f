-- mutate: random stores into 20000 old nodes with four edges each.
-- The peer of experiments/workloads/memory/mutate.mena; arg[1] = steps.
local n = tonumber(arg and arg[1]) or 2000000

-- Park and Miller's generator.
local seed = 7
local function random()
  seed = seed * 48271 % 2147483647
  return seed
end

local count = 20000
local nodes = {}
for i = 1, count do
  local node = { value = i - 1, edges = {} }
  for k = 1, 4 do
    node.edges[k] = node
  end
  nodes[i] = node
end
for step = 1, n do
  local from = random() % count + 1
  local to = nodes[random() % count + 1]
  if step % 8 == 0 then
    nodes[from] = { value = step, edges = { to, to, to, to } }
  else
    nodes[from].edges[step % 4 + 1] = to
  end
end
local hash = 0
for i = 1, count do
  for k = 1, 4 do
    hash = (hash * 31 + nodes[i].edges[k].value) % 1000003
  end
end
print(string.format("mutate %d", hash))
