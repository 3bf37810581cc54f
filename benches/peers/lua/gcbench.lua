-- gcbench: Boehm's GCBench, trees built top-down and bottom-up beside a
-- long-lived tree and array. The other parameters follow from the stretch depth:
-- the long-lived and the deepest trees are two levels lower.
-- The peer of experiments/workloads/memory/gcbench.mena; arg[1] = stretch depth.
local n = tonumber(arg and arg[1]) or 18

local known = { [8] = 80000127, [12] = 1392002047, [16] = 22400032767 }

local function tree_size(depth)
  return 2 ^ (depth + 1) - 1
end

local function iterations_of(stretch, depth)
  return math.floor(2 * tree_size(stretch) / tree_size(depth))
end

local function populate(depth, node)
  if depth <= 0 then
    return
  end
  node.left = { i = 0, j = 0, left = nil, right = nil }
  node.right = { i = 0, j = 0, left = nil, right = nil }
  populate(depth - 1, node.left)
  populate(depth - 1, node.right)
end

local function make(depth)
  if depth <= 0 then
    return { i = 0, j = 0, left = nil, right = nil }
  end
  return { i = 0, j = 0, left = make(depth - 1), right = make(depth - 1) }
end

local function count(node)
  if not node then
    return 0
  end
  return 1 + count(node.left) + count(node.right)
end

local stretch, long, min_depth, max_depth = n, n - 2, 4, n - 2
local array_size = math.min(500000, 2 ^ (n + 3))

local temp = make(stretch)
assert(count(temp) == tree_size(stretch), "gcbench: wrong stretch tree")
temp = nil

local long_lived = { i = 0, j = 0, left = nil, right = nil }
populate(long, long_lived)
local array = {}
for i = 1, array_size do
  array[i] = 0.0
end
for i = 1, array_size / 2 do
  array[i] = 1.0 / i
end

local total = 0
for depth = min_depth, max_depth, 2 do
  local iterations = iterations_of(stretch, depth)
  for _ = 1, iterations do
    local tree = { i = 0, j = 0, left = nil, right = nil }
    populate(depth, tree)
  end
  for _ = 1, iterations do
    local tree = make(depth)
  end
  total = total + 2 * iterations
end

assert(array[1000] == 1.0 / 1000, "gcbench: wrong array")
local sum = total * 1000000 + count(long_lived)
local expected = known[n]
assert(expected == nil or sum == expected, "gcbench: wrong sum")
print(string.format("gcbench %.0f", sum))
