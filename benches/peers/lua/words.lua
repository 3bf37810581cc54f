-- words: counts n words, of which 5000 are different.
-- The peer of experiments/workloads/memory/words.mena; arg[1] = words.
local n = tonumber(arg and arg[1]) or 2000000

-- Park and Miller's generator.
local seed = 9
local function random()
  seed = seed * 48271 % 2147483647
  return seed
end

local counts, different = {}, 0
for _ = 1, n do
  local word = "w" .. random() % 5000
  local count = counts[word]
  if count then
    counts[word] = count + 1
  else
    counts[word] = 1
    different = different + 1
  end
end
local most = 0
for _, count in pairs(counts) do
  most = math.max(most, count)
end
print(string.format("words %d/%d", different, most))
