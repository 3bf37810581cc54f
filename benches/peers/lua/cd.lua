-- cd: an air-traffic simulation that looks for aircraft that come too close, 200 frames
-- (Are-We-Fast-Yet). The peer of experiments/workloads/awfy/cd.mena; arg[1] = aircraft.
local n = tonumber(arg and arg[1]) or 250
local sqrt, floor, sin, cos = math.sqrt, math.floor, math.sin, math.cos

local min_x, min_y, max_x, max_y, min_z, max_z = 0.0, 0.0, 1000.0, 1000.0, 0.0, 10.0
local proximity_radius = 1.0
local good_voxel_size = 2.0

local known_collisions =
  { [2] = 42, [10] = 390, [100] = 4305, [250] = 10830, [500] = 14484, [1000] = 14484 }

local function class()
  local methods = {}
  methods.__index = methods
  return methods
end

local function compare_numbers(a, b)
  if a == b then
    return 0
  elseif a < b then
    return -1
  end
  return 1
end

local Vector2D = class()

function Vector2D.new(x, y)
  return setmetatable({ x = x, y = y }, Vector2D)
end

function Vector2D:plus(other)
  return Vector2D.new(self.x + other.x, self.y + other.y)
end

function Vector2D:minus(other)
  return Vector2D.new(self.x - other.x, self.y - other.y)
end

function Vector2D:compare_to(other)
  local result = compare_numbers(self.x, other.x)
  if result ~= 0 then
    return result
  end
  return compare_numbers(self.y, other.y)
end

local Vector3D = class()

function Vector3D.new(x, y, z)
  return setmetatable({ x = x, y = y, z = z }, Vector3D)
end

function Vector3D:plus(other)
  return Vector3D.new(self.x + other.x, self.y + other.y, self.z + other.z)
end

function Vector3D:minus(other)
  return Vector3D.new(self.x - other.x, self.y - other.y, self.z - other.z)
end

function Vector3D:dot(other)
  return self.x * other.x + self.y * other.y + self.z * other.z
end

function Vector3D:squared_magnitude()
  return self:dot(self)
end

function Vector3D:magnitude()
  return sqrt(self:squared_magnitude())
end

function Vector3D:times(amount)
  return Vector3D.new(self.x * amount, self.y * amount, self.z * amount)
end

local Node = class()

function Node.new(key, value, parent)
  return setmetatable({
    key = key,
    value = value,
    left = nil,
    right = nil,
    parent = parent,
    color = "red",
  }, Node)
end

function Node:minimum()
  local node = self
  while node.left do
    node = node.left
  end
  return node
end

function Node:successor()
  if self.right then
    return self.right:minimum()
  end
  local node, parent = self, self.parent
  while parent and node == parent.right do
    node = parent
    parent = parent.parent
  end
  return parent
end

local RedBlackTree = class()

function RedBlackTree.new()
  return setmetatable({ root = nil }, RedBlackTree)
end

function RedBlackTree:put(key, value)
  local inserted = self:insert(key, value)
  if not inserted.is_new then
    return inserted.old_value
  end
  self:insert_fixup(inserted.node)
  return nil
end

function RedBlackTree:get(key)
  local node = self:find(key)
  return node and node.value
end

function RedBlackTree:each(f)
  if not self.root then
    return
  end
  local node = self.root:minimum()
  while node do
    f({ key = node.key, value = node.value })
    node = node:successor()
  end
end

function RedBlackTree:find(key)
  local node = self.root
  while node do
    local order = key:compare_to(node.key)
    if order == 0 then
      return node
    elseif order < 0 then
      node = node.left
    else
      node = node.right
    end
  end
  return nil
end

function RedBlackTree:insert(key, value)
  local parent, node = nil, self.root
  while node do
    parent = node
    local order = key:compare_to(node.key)
    if order < 0 then
      node = node.left
    elseif order > 0 then
      node = node.right
    else
      local old_value = node.value
      node.value = value
      return { is_new = false, node = nil, old_value = old_value }
    end
  end
  local created = Node.new(key, value, parent)
  if not parent then
    self.root = created
  elseif key:compare_to(parent.key) < 0 then
    parent.left = created
  else
    parent.right = created
  end
  return { is_new = true, node = created, old_value = nil }
end

function RedBlackTree:insert_fixup(inserted)
  local x = inserted
  while x ~= self.root and x.parent.color == "red" do
    if x.parent == x.parent.parent.left then
      local uncle = x.parent.parent.right
      if uncle and uncle.color == "red" then
        x = self:recolor(x, uncle)
      else
        if x == x.parent.right then
          x = x.parent
          self:left_rotate(x)
        end
        x.parent.color = "black"
        x.parent.parent.color = "red"
        self:right_rotate(x.parent.parent)
      end
    else
      local uncle = x.parent.parent.left
      if uncle and uncle.color == "red" then
        x = self:recolor(x, uncle)
      else
        if x == x.parent.left then
          x = x.parent
          self:right_rotate(x)
        end
        x.parent.color = "black"
        x.parent.parent.color = "red"
        self:left_rotate(x.parent.parent)
      end
    end
  end
  self.root.color = "black"
end

function RedBlackTree:recolor(x, uncle)
  x.parent.color = "black"
  uncle.color = "black"
  x.parent.parent.color = "red"
  return x.parent.parent
end

function RedBlackTree:left_rotate(x)
  local y = x.right
  x.right = y.left
  if y.left then
    y.left.parent = x
  end
  self:replace(x, y)
  y.left = x
  x.parent = y
end

function RedBlackTree:right_rotate(y)
  local x = y.left
  y.left = x.right
  if x.right then
    x.right.parent = y
  end
  self:replace(y, x)
  x.right = y
  y.parent = x
end

function RedBlackTree:replace(below, above)
  local parent = below.parent
  above.parent = parent
  if not parent then
    self.root = above
  elseif below == parent.left then
    parent.left = above
  else
    parent.right = above
  end
end

local CallSign = class()

function CallSign.new(value)
  return setmetatable({ value = value }, CallSign)
end

function CallSign:compare_to(other)
  return compare_numbers(self.value, other.value)
end

local Motion = class()

function Motion.new(callsign, from, to)
  return setmetatable({ callsign = callsign, from = from, to = to }, Motion)
end

function Motion:delta()
  return self.to:minus(self.from)
end

function Motion:find_intersection(other)
  local from1, from2 = self.from, other.from
  local v1, v2 = self:delta(), other:delta()
  local a = v2:minus(v1):squared_magnitude()
  if a == 0.0 then
    local distance = from2:minus(from1):magnitude()
    return distance <= proximity_radius and from1:plus(from2):times(0.5) or nil
  end
  local b = 2.0 * from1:minus(from2):dot(v1:minus(v2))
  local c = from2:minus(from1):squared_magnitude() - proximity_radius * proximity_radius
  local discriminant = b * b - 4.0 * a * c
  if discriminant < 0.0 then
    return nil
  end
  local t1 = (-b - sqrt(discriminant)) / (2.0 * a)
  local t2 = (-b + sqrt(discriminant)) / (2.0 * a)
  local within = t1 <= 1.0 and 1.0 <= t2 or t1 <= 0.0 and 0.0 <= t2 or 0.0 <= t1 and t2 <= 1.0
  if not (t1 <= t2 and within) then
    return nil
  end
  local t = t1 <= 0.0 and 0.0 or t1
  local at1 = from1:plus(v1:times(t))
  local at2 = from2:plus(v2:times(t))
  local at = at1:plus(at2):times(0.5)
  local inside = at.x >= min_x and at.x <= max_x and at.y >= min_y and at.y <= max_y
    and at.z >= min_z and at.z <= max_z
  return inside and at or nil
end

local horizontal = Vector2D.new(good_voxel_size, 0.0)
local vertical = Vector2D.new(0.0, good_voxel_size)

local function overlaps_frame(low, high)
  return low <= 1.0 and 1.0 <= high or low <= 0.0 and 0.0 <= high or 0.0 <= low and high <= 1.0
end

local function is_in_voxel(voxel, motion)
  if voxel.x > max_x or voxel.x < min_x or voxel.y > max_y or voxel.y < min_y then
    return false
  end
  local radius = proximity_radius / 2.0
  local x0, y0 = motion.from.x, motion.from.y
  local xv, yv = motion.to.x - x0, motion.to.y - y0
  local low_x = (voxel.x - radius - x0) / xv
  local high_x = (voxel.x + good_voxel_size + radius - x0) / xv
  if xv < 0.0 then
    low_x, high_x = high_x, low_x
  end
  local low_y = (voxel.y - radius - y0) / yv
  local high_y = (voxel.y + good_voxel_size + radius - y0) / yv
  if yv < 0.0 then
    low_y, high_y = high_y, low_y
  end
  local rests_in_x = xv == 0.0 and voxel.x <= x0 + radius
    and x0 - radius <= voxel.x + good_voxel_size
  local rests_in_y = yv == 0.0 and voxel.y <= y0 + radius
    and y0 - radius <= voxel.y + good_voxel_size
  return (rests_in_x or overlaps_frame(low_x, high_x))
    and (rests_in_y or overlaps_frame(low_y, high_y))
    and (xv == 0.0 or yv == 0.0
      or low_y <= high_x and high_x <= high_y
      or low_y <= low_x and low_x <= high_y
      or low_x <= low_y and high_y <= high_x)
end

local function voxel_of(position)
  return Vector2D.new(
    good_voxel_size * floor(position.x / good_voxel_size),
    good_voxel_size * floor(position.y / good_voxel_size)
  )
end

local CollisionDetector = class()

function CollisionDetector.new()
  return setmetatable({ state = RedBlackTree.new() }, CollisionDetector)
end

function CollisionDetector:handle_frame(frame)
  local motions = {}
  local seen = RedBlackTree.new()
  for _, aircraft in ipairs(frame) do
    local to = aircraft.position
    local known = self.state:put(aircraft.callsign, to)
    seen:put(aircraft.callsign, true)
    motions[#motions + 1] = Motion.new(aircraft.callsign, known or to, to)
  end
  self.state:each(function(entry)
    assert(seen:get(entry.key), "cd: an aircraft has disappeared")
  end)

  local collisions = {}
  for _, near in ipairs(self:reduce_collision_set(motions)) do
    for i = 1, #near do
      for j = i + 1, #near do
        local position = near[i]:find_intersection(near[j])
        if position then
          collisions[#collisions + 1] = {
            aircraft_a = near[i].callsign,
            aircraft_b = near[j].callsign,
            position = position,
          }
        end
      end
    end
  end
  return collisions
end

function CollisionDetector:reduce_collision_set(motions)
  local voxel_map = RedBlackTree.new()
  for _, motion in ipairs(motions) do
    self:draw(voxel_map, RedBlackTree.new(), voxel_of(motion.from), motion)
  end
  local result = {}
  voxel_map:each(function(entry)
    if #entry.value > 1 then
      result[#result + 1] = entry.value
    end
  end)
  return result
end

function CollisionDetector:draw(voxel_map, seen, voxel, motion)
  if not is_in_voxel(voxel, motion) or seen:put(voxel, true) then
    return
  end
  self:put_into_map(voxel_map, voxel, motion)
  self:draw(voxel_map, seen, voxel:minus(horizontal), motion)
  self:draw(voxel_map, seen, voxel:plus(horizontal), motion)
  self:draw(voxel_map, seen, voxel:minus(vertical), motion)
  self:draw(voxel_map, seen, voxel:plus(vertical), motion)
  self:draw(voxel_map, seen, voxel:minus(horizontal):minus(vertical), motion)
  self:draw(voxel_map, seen, voxel:minus(horizontal):plus(vertical), motion)
  self:draw(voxel_map, seen, voxel:plus(horizontal):minus(vertical), motion)
  self:draw(voxel_map, seen, voxel:plus(horizontal):plus(vertical), motion)
end

function CollisionDetector:put_into_map(voxel_map, voxel, motion)
  local motions = voxel_map:get(voxel)
  if not motions then
    motions = {}
    voxel_map:put(voxel, motions)
  end
  motions[#motions + 1] = motion
end

local function simulate(callsigns, time)
  local frame = {}
  local i = 0
  while i + 1 < #callsigns do
    local y = 3 * i
    frame[#frame + 1] = {
      callsign = callsigns[i + 1],
      position = Vector3D.new(time, cos(time) * 2 + y, 10.0),
    }
    frame[#frame + 1] = {
      callsign = callsigns[i + 2],
      position = Vector3D.new(time, sin(time) * 2 + y, 10.0),
    }
    i = i + 2
  end
  return frame
end

local callsigns = {}
for i = 1, n do
  callsigns[i] = CallSign.new(i)
end
local detector = CollisionDetector.new()
local collisions = 0
for i = 0, 199 do
  collisions = collisions + #detector:handle_frame(simulate(callsigns, i / 10.0))
end
local known = known_collisions[n]
assert(known == nil or collisions == known, "cd: wrong number of collisions")
print("cd " .. collisions)
