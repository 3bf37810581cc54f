-- binarytrees: many short-lived trees beside a long-lived one (CLBG).
-- The peer of experiments/workloads/memory/binarytrees.mena; arg[1] = depth.
local n = tonumber(arg and arg[1]) or 16

local known = { [10] = 135854, [14] = 3222190, [15] = 6444382, [16] = 14985902 }

local function make(depth)
  if depth == 0 then
    return {}
  end
  return { left = make(depth - 1), right = make(depth - 1) }
end

local function check(tree)
  if tree.left then
    return 1 + check(tree.left) + check(tree.right)
  end
  return 1
end

local min_depth = 4
local sum = check(make(n + 1))
assert(sum == 2 ^ (n + 2) - 1, "binarytrees: wrong stretch tree")
local long_lived = make(n)
for depth = min_depth, n, 2 do
  local iterations = 2 ^ (n - depth + min_depth)
  local count = 0
  for _ = 1, iterations do
    count = count + check(make(depth))
  end
  assert(count == iterations * (2 ^ (depth + 1) - 1), "binarytrees: wrong count")
  sum = sum + count
end
sum = sum + check(long_lived)
local expected = known[n]
assert(expected == nil or sum == expected, "binarytrees: wrong sum")
print(string.format("binarytrees %d", sum))
