-- queens: eight queens with three flag arrays, ten times (Are-We-Fast-Yet).
-- The peer of experiments/workloads/awfy/queens.mena; arg[1] = iterations.
local n = tonumber(arg and arg[1]) or 1000

local function filled(length, value)
  local t = {}
  for i = 1, length do
    t[i] = value
  end
  return t
end

local Queens = {}
Queens.__index = Queens

function Queens.new()
  return setmetatable({
    free_maxs = nil,
    free_rows = nil,
    free_mins = nil,
    queen_rows = nil,
  }, Queens)
end

-- Rows and columns count from 1: c + r is 2..16, c - r + 8 is 1..15.
function Queens:get_row_column(r, c)
  return self.free_rows[r] and self.free_maxs[c + r - 1] and self.free_mins[c - r + 8]
end

function Queens:set_row_column(r, c, v)
  self.free_rows[r] = v
  self.free_maxs[c + r - 1] = v
  self.free_mins[c - r + 8] = v
end

function Queens:place_queen(c)
  for r = 1, 8 do
    if self:get_row_column(r, c) then
      self.queen_rows[r] = c
      self:set_row_column(r, c, false)
      if c == 8 then
        return true
      end
      if self:place_queen(c + 1) then
        return true
      end
      self:set_row_column(r, c, true)
    end
  end
  return false
end

function Queens:queens()
  self.free_rows = filled(8, true)
  self.free_maxs = filled(16, true)
  self.free_mins = filled(16, true)
  self.queen_rows = filled(8, -1)
  return self:place_queen(1)
end

function Queens:benchmark()
  local result = true
  for _ = 1, 10 do
    result = result and self:queens()
  end
  return result
end

local result
for _ = 1, n do
  result = Queens.new():benchmark()
  assert(result == true, "queens: wrong result")
end
print("queens " .. tostring(result))
