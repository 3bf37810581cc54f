-- bounce: 100 balls bouncing in a box for 50 frames (Are-We-Fast-Yet).
-- The peer of experiments/workloads/awfy/bounce.mena; arg[1] = iterations.
local n = tonumber(arg and arg[1]) or 1500
local abs = math.abs

local Random = {}
Random.__index = Random

function Random.new()
  return setmetatable({ seed = 74755 }, Random)
end

function Random:next()
  self.seed = (self.seed * 1309 + 13849) % 65536
  return self.seed
end

local Ball = {}
Ball.__index = Ball

function Ball.new(random)
  return setmetatable({
    x = random:next() % 500,
    y = random:next() % 500,
    x_vel = random:next() % 300 - 150,
    y_vel = random:next() % 300 - 150,
  }, Ball)
end

function Ball:bounce()
  local x_limit, y_limit = 500, 500
  local bounced = false
  self.x = self.x + self.x_vel
  self.y = self.y + self.y_vel
  if self.x > x_limit then
    self.x = x_limit
    self.x_vel = 0 - abs(self.x_vel)
    bounced = true
  end
  if self.x < 0 then
    self.x = 0
    self.x_vel = abs(self.x_vel)
    bounced = true
  end
  if self.y > y_limit then
    self.y = y_limit
    self.y_vel = 0 - abs(self.y_vel)
    bounced = true
  end
  if self.y < 0 then
    self.y = 0
    self.y_vel = abs(self.y_vel)
    bounced = true
  end
  return bounced
end

local function benchmark()
  local random = Random.new()
  local balls = {}
  for i = 1, 100 do
    balls[i] = Ball.new(random)
  end
  local bounces = 0
  for _ = 1, 50 do
    for i = 1, #balls do
      local ball = balls[i]
      if ball:bounce() then
        bounces = bounces + 1
      end
    end
  end
  return bounces
end

local result
for _ = 1, n do
  result = benchmark()
  assert(result == 1331, "bounce: wrong result")
end
print("bounce " .. result)
