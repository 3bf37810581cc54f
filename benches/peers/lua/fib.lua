-- fib: the exponential Fibonacci function, fork and join left out.
-- The peer of experiments/workloads/forkjoin/fib.mena; arg[1] = n.
local n = tonumber(arg and arg[1]) or 36

local function fib(k)
  if k < 2 then
    return k
  end
  return fib(k - 1) + fib(k - 2)
end

local function fib_by_addition(k)
  local a, b = 0, 1
  for _ = 1, k do
    a, b = b, a + b
  end
  return a
end

local result = fib(n)
assert(result == fib_by_addition(n), "fib: wrong result")
print("fib " .. result)
