-- sieve: primes up to 5000 in an array of flags (Are-We-Fast-Yet).
-- The peer of experiments/workloads/awfy/sieve.mena; arg[1] = iterations.
local n = tonumber(arg and arg[1]) or 3000

local function sieve(flags, size)
  local prime_count = 0
  for i = 2, size do
    if flags[i - 1] then
      prime_count = prime_count + 1
      for k = i + i, size, i do
        flags[k - 1] = false
      end
    end
  end
  return prime_count
end

local function benchmark()
  local flags = {}
  for i = 1, 5000 do
    flags[i] = true
  end
  return sieve(flags, 5000)
end

local result
for _ = 1, n do
  result = benchmark()
  assert(result == 669, "sieve: wrong result")
end
print("sieve " .. result)
