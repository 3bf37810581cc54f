-- list: Takeuchi's function on linked lists (Are-We-Fast-Yet).
-- The peer of experiments/workloads/awfy/list.mena; arg[1] = iterations.
local n = tonumber(arg and arg[1]) or 1500

local Element = {}
Element.__index = Element

function Element.new(value)
  return setmetatable({ value = value, next = nil }, Element)
end

function Element:length()
  if self.next == nil then
    return 1
  end
  return 1 + self.next:length()
end

local function make_list(length)
  if length == 0 then
    return nil
  end
  local element = Element.new(length)
  element.next = make_list(length - 1)
  return element
end

local function is_shorter_than(x, y)
  local x_tail, y_tail = x, y
  while y_tail do
    if not x_tail then
      return true
    end
    x_tail = x_tail.next
    y_tail = y_tail.next
  end
  return false
end

local function tail(x, y, z)
  if is_shorter_than(y, x) then
    return tail(tail(x.next, y, z), tail(y.next, z, x), tail(z.next, x, y))
  end
  return z
end

local function benchmark()
  local result = tail(make_list(15), make_list(10), make_list(6))
  return result:length()
end

local result
for _ = 1, n do
  result = benchmark()
  assert(result == 10, "list: wrong result")
end
print("list " .. result)
