-- mandelbrot: the set on an n × n grid, bits folded with xor (Are-We-Fast-Yet).
-- The peer of experiments/workloads/awfy/mandelbrot.mena; arg[1] = size.
local n = tonumber(arg and arg[1]) or 750

-- LuaJIT has no `~` operator and Lua 5.4 no `bit` module; used once per eight pixels.
local bxor
if _VERSION == "Lua 5.1" then
  bxor = require("bit").bxor
else
  bxor = load("return function(a, b) return a ~ b end")()
end

local known = { [1] = 128, [500] = 191, [750] = 50 }

local function mandelbrot(size)
  local sum, byte_acc, bit_num = 0, 0, 0
  for y = 0, size - 1 do
    local ci = 2.0 * y / size - 1.0
    for x = 0, size - 1 do
      local zrzr, zi, zizi = 0.0, 0.0, 0.0
      local cr = 2.0 * x / size - 1.5
      local z = 0
      local not_done = true
      local escape = 0
      while not_done and z < 50 do
        local zr = zrzr - zizi + cr
        zi = 2.0 * zr * zi + ci
        zrzr = zr * zr
        zizi = zi * zi
        if zrzr + zizi > 4.0 then
          not_done = false
          escape = 1
        end
        z = z + 1
      end
      byte_acc = byte_acc * 2 + escape
      bit_num = bit_num + 1
      if bit_num == 8 then
        sum = bxor(sum, byte_acc)
        byte_acc = 0
        bit_num = 0
      elseif x == size - 1 then
        byte_acc = byte_acc * 2 ^ (8 - bit_num)
        sum = bxor(sum, byte_acc)
        byte_acc = 0
        bit_num = 0
      end
    end
  end
  return sum
end

local result = mandelbrot(n)
local expected = known[n]
assert(expected == nil or result == expected, "mandelbrot: wrong result")
print(string.format("mandelbrot %d", result))
