-- nbody: the sun and four planets, n steps of 0.01 (Are-We-Fast-Yet).
-- The peer of experiments/workloads/awfy/nbody.mena; arg[1] = steps.
local n = tonumber(arg and arg[1]) or 250000
local sqrt = math.sqrt

local SOLAR_MASS = 4.0 * 3.141592653589793 * 3.141592653589793
local DAYS_PER_YEAR = 365.24

local known = { [1] = -0.16907495402506745, [250000] = -0.1690859889909308 }

local Body = {}
Body.__index = Body

function Body.new(x, y, z, vx, vy, vz, mass)
  return setmetatable({
    x = x,
    y = y,
    z = z,
    vx = vx * DAYS_PER_YEAR,
    vy = vy * DAYS_PER_YEAR,
    vz = vz * DAYS_PER_YEAR,
    mass = mass * SOLAR_MASS,
  }, Body)
end

function Body:offset_momentum(px, py, pz)
  self.vx = 0.0 - px / SOLAR_MASS
  self.vy = 0.0 - py / SOLAR_MASS
  self.vz = 0.0 - pz / SOLAR_MASS
end

function Body.sun()
  return Body.new(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
end

function Body.jupiter()
  return Body.new(
    4.84143144246472090, -1.16032004402742839, -0.103622044471123109,
    0.00166007664274403694, 0.00769901118419740425, -0.0000690460016972063023,
    0.000954791938424326609)
end

function Body.saturn()
  return Body.new(
    8.34336671824457987, 4.12479856412430479, -0.403523417114321381,
    -0.00276742510726862411, 0.00499852801234917238, 0.0000230417297573763929,
    0.000285885980666130812)
end

function Body.uranus()
  return Body.new(
    12.8943695621391310, -15.1111514016986312, -0.223307578892655734,
    0.00296460137564761618, 0.00237847173959480950, -0.0000296589568540237556,
    0.0000436624404335156298)
end

function Body.neptune()
  return Body.new(
    15.3796971148509165, -25.9193146099879641, 0.179258772950371181,
    0.00268067772490389322, 0.00162824170038242295, -0.0000951592254519715870,
    0.0000515138902046611451)
end

local NBodySystem = {}
NBodySystem.__index = NBodySystem

function NBodySystem.new()
  local bodies = { Body.sun(), Body.jupiter(), Body.saturn(), Body.uranus(), Body.neptune() }
  local px, py, pz = 0.0, 0.0, 0.0
  for i = 1, #bodies do
    local b = bodies[i]
    px = px + b.vx * b.mass
    py = py + b.vy * b.mass
    pz = pz + b.vz * b.mass
  end
  bodies[1]:offset_momentum(px, py, pz)
  return setmetatable({ bodies = bodies }, NBodySystem)
end

function NBodySystem:advance(dt)
  local bodies = self.bodies
  for i = 1, #bodies do
    local a = bodies[i]
    for j = i + 1, #bodies do
      local b = bodies[j]
      local dx = a.x - b.x
      local dy = a.y - b.y
      local dz = a.z - b.z
      local d_squared = dx * dx + dy * dy + dz * dz
      local distance = sqrt(d_squared)
      local mag = dt / (d_squared * distance)
      a.vx = a.vx - dx * b.mass * mag
      a.vy = a.vy - dy * b.mass * mag
      a.vz = a.vz - dz * b.mass * mag
      b.vx = b.vx + dx * a.mass * mag
      b.vy = b.vy + dy * a.mass * mag
      b.vz = b.vz + dz * a.mass * mag
    end
  end
  for i = 1, #bodies do
    local body = bodies[i]
    body.x = body.x + dt * body.vx
    body.y = body.y + dt * body.vy
    body.z = body.z + dt * body.vz
  end
end

function NBodySystem:energy()
  local bodies = self.bodies
  local e = 0.0
  for i = 1, #bodies do
    local a = bodies[i]
    e = e + 0.5 * a.mass * (a.vx * a.vx + a.vy * a.vy + a.vz * a.vz)
    for j = i + 1, #bodies do
      local b = bodies[j]
      local dx = a.x - b.x
      local dy = a.y - b.y
      local dz = a.z - b.z
      local distance = sqrt(dx * dx + dy * dy + dz * dz)
      e = e - a.mass * b.mass / distance
    end
  end
  return e
end

local system = NBodySystem.new()
for _ = 1, n do
  system:advance(0.01)
end
local energy = system:energy()
local expected = known[n]
assert(expected == nil or energy == expected, "nbody: wrong energy")
-- The shortest form that reads back as the same number, as Mena prints a float.
local text = string.format("%.15g", energy)
if tonumber(text) ~= energy then text = string.format("%.16g", energy) end
if tonumber(text) ~= energy then text = string.format("%.17g", energy) end
print("nbody " .. text)
