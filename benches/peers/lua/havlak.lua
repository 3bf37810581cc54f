-- havlak: finds the loops of a control-flow graph and how they nest (Are-We-Fast-Yet).
-- The peer of experiments/workloads/awfy/havlak.mena; arg[1] = searches, arg[2] = width.
local n = tonumber(arg and arg[1]) or 1500
local width = tonumber(arg and arg[2]) or 10
local repetitions = 50
local unvisited = 2147483647
local non_back_preds_max = 32 * 1024

local function class()
  local methods = {}
  methods.__index = methods
  return methods
end

-- A set of numbers that keeps the order of insertion.
local Set = class()

function Set.new()
  return setmetatable({ items = {}, has = {} }, Set)
end

function Set:add(value)
  if not self.has[value] then
    self.has[value] = true
    self.items[#self.items + 1] = value
  end
end

local ControlFlowGraph = class()

function ControlFlowGraph.new()
  return setmetatable({ blocks = {}, edges = {}, size = 0 }, ControlFlowGraph)
end

function ControlFlowGraph:create_node(name)
  if name == self.size then
    self.blocks[name] = { name = name, in_edges = {}, out_edges = {} }
    self.size = name + 1
  end
  return self.blocks[name]
end

function ControlFlowGraph:connect(from_name, to_name)
  local from = self:create_node(from_name)
  local to = self:create_node(to_name)
  from.out_edges[#from.out_edges + 1] = to
  to.in_edges[#to.in_edges + 1] = from
  self.edges[#self.edges + 1] = { from = from, to = to }
end

function ControlFlowGraph:build_diamond(start)
  self:connect(start, start + 1)
  self:connect(start, start + 2)
  self:connect(start + 1, start + 3)
  self:connect(start + 2, start + 3)
  return start + 3
end

function ControlFlowGraph:build_straight(start, length)
  for i = 0, length - 1 do
    self:connect(start + i, start + i + 1)
  end
  return start + length
end

function ControlFlowGraph:build_base_loop(from)
  local header = self:build_straight(from, 1)
  local diamond1 = self:build_diamond(header)
  local middle = self:build_straight(diamond1, 1)
  local diamond2 = self:build_diamond(middle)
  local footer = self:build_straight(diamond2, 1)
  self:connect(diamond2, middle)
  self:connect(diamond1, header)
  self:connect(footer, from)
  return self:build_straight(footer, 1)
end

function ControlFlowGraph:build_simple()
  self:create_node(0)
  self:build_base_loop(0)
  self:create_node(1)
  self:connect(0, 2)
end

function ControlFlowGraph:build_nested(breadth, depth)
  local name = 2
  for _ = 1, breadth do
    self:create_node(name + 1)
    self:connect(2, name + 1)
    name = name + 1
    for _ = 1, breadth do
      local top = name
      name = self:build_straight(name, 1)
      for _ = 1, depth do
        name = self:build_base_loop(name)
      end
      local bottom = self:build_straight(name, 1)
      self:connect(name, top)
      name = bottom
    end
    self:connect(name, 0)
  end
end

local SimpleLoop = class()

function SimpleLoop.new(header, is_reducible, counter)
  local blocks = Set.new()
  if header then
    blocks:add(header.name)
  end
  return setmetatable({
    header = header,
    is_reducible = is_reducible,
    parent = nil,
    is_root = false,
    nesting_level = 0,
    depth = 0,
    counter = counter,
    blocks = blocks,
    children = {},
  }, SimpleLoop)
end

function SimpleLoop:set_parent(parent)
  self.parent = parent
  parent.children[#parent.children + 1] = self
end

local LoopStructureGraph = class()

function LoopStructureGraph.new()
  local root = SimpleLoop.new(nil, true, 0)
  root.is_root = true
  return setmetatable({ loops = { root }, root = root }, LoopStructureGraph)
end

function LoopStructureGraph:create_loop(header, is_reducible)
  local created = SimpleLoop.new(header, is_reducible, #self.loops)
  self.loops[#self.loops + 1] = created
  return created
end

function LoopStructureGraph:calculate_nesting_level()
  for _, inner in ipairs(self.loops) do
    if not inner.is_root and inner.parent == nil then
      inner:set_parent(self.root)
    end
  end
  self:calculate_nesting_level_below(self.root, 0)
end

function LoopStructureGraph:calculate_nesting_level_below(outer, depth)
  outer.depth = depth
  for _, inner in ipairs(outer.children) do
    self:calculate_nesting_level_below(inner, depth + 1)
    outer.nesting_level = math.max(outer.nesting_level, 1 + inner.nesting_level)
  end
end

local UnionFindNode = class()

function UnionFindNode.new()
  return setmetatable(
    { dfs_number = 0, parent = nil, block = nil, inner_loop = nil },
    UnionFindNode
  )
end

function UnionFindNode:init(block, dfs_number)
  self.parent = self
  self.block = block
  self.dfs_number = dfs_number
  self.inner_loop = nil
end

function UnionFindNode:find_set()
  local passed = {}
  local node = self
  while node ~= node.parent do
    if node.parent ~= node.parent.parent then
      passed[#passed + 1] = node
    end
    node = node.parent
  end
  for _, other in ipairs(passed) do
    other.parent = self.parent
  end
  return node
end

local HavlakLoopFinder = class()

function HavlakLoopFinder.new(graph, loops)
  local finder = {
    graph = graph,
    loops = loops,
    number = {},
    non_back_preds = {},
    back_preds = {},
    header = {},
    kind = {},
    last = {},
    nodes = {},
  }
  for i = 0, graph.size - 1 do
    finder.non_back_preds[i] = Set.new()
    finder.back_preds[i] = {}
    finder.header[i] = 0
    finder.kind[i] = "non_header"
    finder.last[i] = 0
    finder.nodes[i] = UnionFindNode.new()
  end
  return setmetatable(finder, HavlakLoopFinder)
end

function HavlakLoopFinder:is_ancestor(w, v)
  return w <= v and v <= self.last[w]
end

function HavlakLoopFinder:depth_first(block, current)
  self.nodes[current]:init(block, current)
  self.number[block.name] = current
  local last = current
  for _, target in ipairs(block.out_edges) do
    if self.number[target.name] == unvisited then
      last = self:depth_first(target, last + 1)
    end
  end
  self.last[current] = last
  return last
end

function HavlakLoopFinder:number_nodes()
  for i = 0, self.graph.size - 1 do
    self.number[self.graph.blocks[i].name] = unvisited
  end
  self:depth_first(self.graph.blocks[0], 0)
end

function HavlakLoopFinder:identify_edges()
  for w = 0, self.graph.size - 1 do
    local block = self.nodes[w].block
    if block then
      self:classify_edges(block, w)
    else
      self.kind[w] = "dead"
    end
  end
end

function HavlakLoopFinder:classify_edges(block, w)
  for _, from in ipairs(block.in_edges) do
    local v = self.number[from.name]
    if v ~= unvisited then
      if self:is_ancestor(w, v) then
        local preds = self.back_preds[w]
        preds[#preds + 1] = v
      else
        self.non_back_preds[w]:add(v)
      end
    end
  end
end

function HavlakLoopFinder:find_loops()
  self:number_nodes()
  self:identify_edges()
  for w = self.graph.size - 1, 0, -1 do
    local body = {}
    local block = self.nodes[w].block
    if block then
      self:collect_back_edges(w, body)
      if #body > 0 then
        self.kind[w] = "reducible"
      end
      local work_list, first = {}, 1
      for _, node in ipairs(body) do
        work_list[#work_list + 1] = node
      end
      while first <= #work_list do
        local x = work_list[first]
        first = first + 1
        if #self.non_back_preds[x.dfs_number].items > non_back_preds_max then
          return
        end
        self:collect_non_back_edges(w, body, work_list, x)
      end
    end
    if #body > 0 or self.kind[w] == "self_loop" then
      local found = self.loops:create_loop(block, self.kind[w] ~= "irreducible")
      self:set_loop_attributes(w, body, found)
    end
  end
end

function HavlakLoopFinder:collect_back_edges(w, body)
  for _, v in ipairs(self.back_preds[w]) do
    if v == w then
      self.kind[w] = "self_loop"
    else
      body[#body + 1] = self.nodes[v]:find_set()
    end
  end
end

function HavlakLoopFinder:collect_non_back_edges(w, body, work_list, x)
  for _, number in ipairs(self.non_back_preds[x.dfs_number].items) do
    local y = self.nodes[number]:find_set()
    if not self:is_ancestor(w, y.dfs_number) then
      self.kind[w] = "irreducible"
      self.non_back_preds[w]:add(y.dfs_number)
    elseif y.dfs_number ~= w then
      work_list[#work_list + 1] = y
      body[#body + 1] = y
    end
  end
end

function HavlakLoopFinder:set_loop_attributes(w, body, found)
  self.nodes[w].inner_loop = found
  for _, node in ipairs(body) do
    self.header[node.dfs_number] = w
    node.parent = self.nodes[w]
    if node.inner_loop then
      node.inner_loop:set_parent(found)
    else
      found.blocks:add(node.block.name)
    end
  end
end

local function search(graph, loops)
  HavlakLoopFinder.new(graph, loops):find_loops()
end

local graph = ControlFlowGraph.new()
local loops = LoopStructureGraph.new()
graph:build_simple()
for _ = 1, n do
  search(graph, loops)
end
graph:build_nested(width, 5)
search(graph, loops)
for _ = 0, repetitions do
  search(graph, LoopStructureGraph.new())
end
loops:calculate_nesting_level()
print("havlak " .. #loops.loops .. " " .. graph.size)
