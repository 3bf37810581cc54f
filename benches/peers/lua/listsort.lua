-- listsort: sorts a linked list of n numbers by merging runs of 1, 2, 4, … nodes in place.
-- The peer of experiments/workloads/memory/listsort.mena; arg[1] = nodes.
local n = tonumber(arg and arg[1]) or 200000

-- Park and Miller's generator.
local seed = 42
local function random()
  seed = seed * 48271 % 2147483647
  return seed
end

-- Cuts the list behind its first `length` nodes, and gives the rest.
local function split(list, length)
  local node = list
  for _ = 1, length - 1 do
    if not node then
      return nil
    end
    node = node.next
  end
  if not node then
    return nil
  end
  local rest = node.next
  node.next = nil
  return rest
end

-- Merges two sorted lists behind the node `tail`; gives the last node.
local function merge(tail, left, right)
  local last, a, b = tail, left, right
  while a and b do
    if a.value <= b.value then
      last.next = a
      a = a.next
    else
      last.next = b
      b = b.next
    end
    last = last.next
  end
  last.next = a or b
  while last.next do
    last = last.next
  end
  return last
end

local function sort(list)
  local before = { value = nil, next = list }
  local length = 1
  while length < n do
    local tail, rest = before, before.next
    before.next = nil
    while rest do
      local left = rest
      local right = split(left, length)
      rest = split(right, length)
      tail = merge(tail, left, right)
    end
    length = length * 2
  end
  return before.next
end

local list = nil
for _ = 1, n do
  list = { value = random(), next = list }
end
local node = sort(list)
local count, hash, previous = 0, 0, -1
while node do
  assert(node.value >= previous, "listsort: not in order")
  previous = node.value
  count = count + 1
  hash = (hash * 31 + node.value) % 1000003
  node = node.next
end
assert(count == n, "listsort: nodes have been lost")
print(string.format("listsort %d", hash))
