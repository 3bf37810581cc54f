-- deltablue: an incremental solver of constraints on a long chain and on many projections
-- (Are-We-Fast-Yet). The peer of experiments/workloads/awfy/deltablue.mena; arg[1] = size.
local n = tonumber(arg and arg[1]) or 12000

local function class(parent)
  local methods = {}
  if parent then
    for name, method in pairs(parent) do
      methods[name] = method
    end
  end
  methods.__index = methods
  return methods
end

local Strength = class()

function Strength.new(value)
  return setmetatable({ value = value }, Strength)
end

function Strength:stronger(other)
  return self.value < other.value
end

function Strength:weaker(other)
  return self.value > other.value
end

function Strength:weakest(other)
  if other:weaker(self) then
    return other
  end
  return self
end

local required = Strength.new(-800)
local preferred = Strength.new(-400)
local strong_default = Strength.new(-200)
local default = Strength.new(0)
local absolute_weakest = Strength.new(10000)

-- A queue with an index for each end.
local Queue = class()

function Queue.new()
  return setmetatable({ first = 1, last = 0 }, Queue)
end

function Queue:push(value)
  self.last = self.last + 1
  self[self.last] = value
end

function Queue:pop()
  local value = self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
  return value
end

function Queue:is_empty()
  return self.first > self.last
end

local Variable = class()

function Variable.new(value)
  return setmetatable({
    value = value,
    constraints = {},
    determined_by = nil,
    walk_strength = absolute_weakest,
    stay = true,
    mark = 0,
  }, Variable)
end

function Variable:add_constraint(constraint)
  self.constraints[#self.constraints + 1] = constraint
end

function Variable:remove_constraint(constraint)
  local others, count = {}, 0
  for _, c in ipairs(self.constraints) do
    if c ~= constraint then
      count = count + 1
      others[count] = c
    end
  end
  self.constraints = others
  if self.determined_by == constraint then
    self.determined_by = nil
  end
end

local Constraint = class()

function Constraint:is_input()
  return false
end

function Constraint:add(planner)
  self:add_to_graph()
  planner:incremental_add(self)
end

function Constraint:destroy(planner)
  if self:is_satisfied() then
    planner:incremental_remove(self)
  end
  self:remove_from_graph()
end

function Constraint:inputs_known(mark)
  return not self:any_input(function(v)
    return v.mark ~= mark and not v.stay and v.determined_by ~= nil
  end)
end

function Constraint:satisfy(mark, planner)
  self:choose_method(mark)
  if not self:is_satisfied() then
    assert(self.strength.value ~= required.value, "deltablue: a required one fails")
    return nil
  end
  self:each_input(function(v)
    v.mark = mark
  end)
  local out = self:output()
  local overridden = out.determined_by
  if overridden then
    overridden:mark_unsatisfied()
  end
  out.determined_by = self
  assert(planner:add_propagate(self, mark), "deltablue: a cycle of constraints")
  out.mark = mark
  return overridden
end

local UnaryConstraint = class(Constraint)

function UnaryConstraint:is_satisfied()
  return self.satisfied
end

function UnaryConstraint:add_to_graph()
  self.variable:add_constraint(self)
  self.satisfied = false
end

function UnaryConstraint:remove_from_graph()
  self.variable:remove_constraint(self)
  self.satisfied = false
end

function UnaryConstraint:choose_method(mark)
  self.satisfied = self.variable.mark ~= mark
    and self.strength:stronger(self.variable.walk_strength)
end

function UnaryConstraint:each_input() end

function UnaryConstraint:any_input()
  return false
end

function UnaryConstraint:mark_unsatisfied()
  self.satisfied = false
end

function UnaryConstraint:output()
  return self.variable
end

function UnaryConstraint:recalculate()
  self.variable.walk_strength = self.strength
  self.variable.stay = not self:is_input()
  if self.variable.stay then
    self:execute()
  end
end

function UnaryConstraint:execute() end

local StayConstraint = class(UnaryConstraint)

function StayConstraint.new(variable, strength, planner)
  local constraint = setmetatable(
    { strength = strength, variable = variable, satisfied = false },
    StayConstraint
  )
  constraint:add(planner)
  return constraint
end

local EditConstraint = class(UnaryConstraint)

function EditConstraint.new(variable, strength, planner)
  local constraint = setmetatable(
    { strength = strength, variable = variable, satisfied = false },
    EditConstraint
  )
  constraint:add(planner)
  return constraint
end

function EditConstraint:is_input()
  return true
end

local BinaryConstraint = class(Constraint)

function BinaryConstraint:is_satisfied()
  return self.direction ~= nil
end

function BinaryConstraint:add_to_graph()
  self.v1:add_constraint(self)
  self.v2:add_constraint(self)
  self.direction = nil
end

function BinaryConstraint:remove_from_graph()
  self.v1:remove_constraint(self)
  self.v2:remove_constraint(self)
  self.direction = nil
end

function BinaryConstraint:choose_method(mark)
  local v1, v2 = self.v1, self.v2
  if v1.mark == mark then
    self.direction = v2.mark ~= mark and self.strength:stronger(v2.walk_strength) and "forward"
      or nil
  elseif v2.mark == mark then
    self.direction = self.strength:stronger(v1.walk_strength) and "backward" or nil
  elseif v1.walk_strength:weaker(v2.walk_strength) then
    self.direction = self.strength:stronger(v1.walk_strength) and "backward" or nil
  else
    self.direction = self.strength:stronger(v2.walk_strength) and "forward" or nil
  end
end

function BinaryConstraint:input()
  if self.direction == "forward" then
    return self.v1
  end
  return self.v2
end

function BinaryConstraint:output()
  if self.direction == "forward" then
    return self.v2
  end
  return self.v1
end

function BinaryConstraint:each_input(f)
  f(self:input())
end

function BinaryConstraint:any_input(f)
  return f(self:input())
end

function BinaryConstraint:mark_unsatisfied()
  self.direction = nil
end

function BinaryConstraint:recalculate()
  local input, out = self:input(), self:output()
  out.walk_strength = self.strength:weakest(input.walk_strength)
  out.stay = input.stay
  if out.stay then
    self:execute()
  end
end

local EqualityConstraint = class(BinaryConstraint)

function EqualityConstraint.new(v1, v2, strength, planner)
  local constraint = setmetatable(
    { strength = strength, v1 = v1, v2 = v2, direction = nil },
    EqualityConstraint
  )
  constraint:add(planner)
  return constraint
end

function EqualityConstraint:execute()
  if self.direction == "forward" then
    self.v2.value = self.v1.value
  else
    self.v1.value = self.v2.value
  end
end

local ScaleConstraint = class(BinaryConstraint)

function ScaleConstraint.new(v1, scale, offset, v2, strength, planner)
  local constraint = setmetatable({
    strength = strength,
    v1 = v1,
    v2 = v2,
    direction = nil,
    scale = scale,
    offset = offset,
  }, ScaleConstraint)
  constraint:add(planner)
  return constraint
end

function ScaleConstraint:add_to_graph()
  self.v1:add_constraint(self)
  self.v2:add_constraint(self)
  self.scale:add_constraint(self)
  self.offset:add_constraint(self)
  self.direction = nil
end

function ScaleConstraint:remove_from_graph()
  self.v1:remove_constraint(self)
  self.v2:remove_constraint(self)
  self.scale:remove_constraint(self)
  self.offset:remove_constraint(self)
  self.direction = nil
end

function ScaleConstraint:each_input(f)
  f(self:input())
  f(self.scale)
  f(self.offset)
end

function ScaleConstraint:recalculate()
  local input, out = self:input(), self:output()
  out.walk_strength = self.strength:weakest(input.walk_strength)
  out.stay = input.stay and self.scale.stay and self.offset.stay
  if out.stay then
    self:execute()
  end
end

function ScaleConstraint:execute()
  if self.direction == "forward" then
    self.v2.value = self.v1.value * self.scale.value + self.offset.value
  else
    self.v1.value = (self.v2.value - self.offset.value) / self.scale.value
  end
end

local Plan = class()

function Plan.new(steps)
  return setmetatable({ steps = steps }, Plan)
end

function Plan:execute()
  local steps = self.steps
  for i = 1, #steps do
    steps[i]:execute()
  end
end

local Planner = class()

function Planner.new()
  return setmetatable({ current_mark = 1 }, Planner)
end

function Planner:new_mark()
  local mark = self.current_mark
  self.current_mark = mark + 1
  return mark
end

function Planner:incremental_add(constraint)
  local mark = self:new_mark()
  local overridden = constraint:satisfy(mark, self)
  while overridden do
    overridden = overridden:satisfy(mark, self)
  end
end

function Planner:incremental_remove(constraint)
  local out = constraint:output()
  constraint:mark_unsatisfied()
  constraint:remove_from_graph()
  for _, unsatisfied in ipairs(self:remove_propagate_from(out)) do
    self:incremental_add(unsatisfied)
  end
end

function Planner:extract_plan(constraints)
  local sources = Queue.new()
  for _, c in ipairs(constraints) do
    if c:is_input() and c:is_satisfied() then
      sources:push(c)
    end
  end
  return self:make_plan(sources)
end

function Planner:make_plan(queue)
  local mark = self:new_mark()
  local steps = {}
  while not queue:is_empty() do
    local constraint = queue:pop()
    local out = constraint:output()
    if out.mark ~= mark and constraint:inputs_known(mark) then
      steps[#steps + 1] = constraint
      out.mark = mark
      self:add_consumers(out, queue)
    end
  end
  return Plan.new(steps)
end

function Planner:add_consumers(variable, queue)
  local determining = variable.determined_by
  for _, c in ipairs(variable.constraints) do
    if c ~= determining and c:is_satisfied() then
      queue:push(c)
    end
  end
end

function Planner:add_propagate(constraint, mark)
  local queue = Queue.new()
  queue:push(constraint)
  while not queue:is_empty() do
    local next_one = queue:pop()
    local out = next_one:output()
    if out.mark == mark then
      self:incremental_remove(constraint)
      return false
    end
    next_one:recalculate()
    self:add_consumers(out, queue)
  end
  return true
end

function Planner:remove_propagate_from(out)
  local unsatisfied = {}
  out.determined_by = nil
  out.walk_strength = absolute_weakest
  out.stay = true
  local queue = Queue.new()
  queue:push(out)
  while not queue:is_empty() do
    local variable = queue:pop()
    for _, c in ipairs(variable.constraints) do
      if not c:is_satisfied() then
        unsatisfied[#unsatisfied + 1] = c
      end
    end
    local determining = variable.determined_by
    for _, c in ipairs(variable.constraints) do
      if c ~= determining and c:is_satisfied() then
        c:recalculate()
        queue:push(c:output())
      end
    end
  end
  table.sort(unsatisfied, function(a, b)
    return a.strength:stronger(b.strength)
  end)
  return unsatisfied
end

function Planner:change(variable, value)
  local edit = EditConstraint.new(variable, preferred, self)
  local plan = self:extract_plan({ edit })
  for _ = 1, 10 do
    variable.value = value
    plan:execute()
  end
  edit:destroy(self)
end

local function chain_test(length)
  local planner = Planner.new()
  local variables = {}
  for i = 0, length do
    variables[i] = Variable.new(0)
  end
  for i = 0, length - 1 do
    EqualityConstraint.new(variables[i], variables[i + 1], required, planner)
  end
  StayConstraint.new(variables[length], strong_default, planner)
  local edit = EditConstraint.new(variables[0], preferred, planner)
  local plan = planner:extract_plan({ edit })
  local sum = 0
  for value = 1, 100 do
    variables[0].value = value
    plan:execute()
    assert(variables[length].value == value, "deltablue: wrong chain")
    sum = sum + variables[length].value
  end
  edit:destroy(planner)
  return sum
end

local function projection_test(pairs_wanted)
  local planner = Planner.new()
  local scale, offset = Variable.new(10), Variable.new(1000)
  local destinations = {}
  local source, destination
  for i = 1, pairs_wanted do
    source, destination = Variable.new(i), Variable.new(i)
    destinations[i] = destination
    StayConstraint.new(source, default, planner)
    ScaleConstraint.new(source, scale, offset, destination, required, planner)
  end

  planner:change(source, 17)
  assert(destination.value == 1170, "deltablue: wrong projection 1")

  planner:change(destination, 1050)
  assert(source.value == 5, "deltablue: wrong projection 2")

  planner:change(scale, 5)
  for i = 1, pairs_wanted - 1 do
    assert(destinations[i].value == i * 5 + 1000, "deltablue: wrong projection 3")
  end

  planner:change(offset, 2000)
  local sum = 0
  for i = 1, pairs_wanted - 1 do
    assert(destinations[i].value == i * 5 + 2000, "deltablue: wrong projection 4")
    sum = sum + destinations[i].value
  end
  return sum
end

print(string.format("deltablue %.0f", chain_test(n) + projection_test(n)))
