-- richards: the kernel of an operating system passing packets (Are-We-Fast-Yet).
-- The peer of experiments/workloads/awfy/richards.mena; arg[1] = iterations.
local n = tonumber(arg and arg[1]) or 25

-- LuaJIT has no `~` operator and Lua 5.4 no `bit` module; used by the idle task only.
local bxor
if _VERSION == "Lua 5.1" then
  bxor = require("bit").bxor
else
  bxor = load("return function(a, b) return a ~ b end")()
end

local IDLER, WORKER, HANDLER_A, HANDLER_B, DEVICE_A, DEVICE_B = 1, 2, 3, 4, 5, 6
local DEVICE_PACKET_KIND, WORK_PACKET_KIND = 0, 1
local DATA_SIZE = 4

-- Appends `packet` to the queue that starts at `queue_head`; returns the head.
local function append(packet, queue_head)
  packet.link = nil
  if not queue_head then
    return packet
  end
  local mouse = queue_head
  local link = mouse.link
  while link do
    mouse = link
    link = mouse.link
  end
  mouse.link = packet
  return queue_head
end

local Packet = {}
Packet.__index = Packet

function Packet.new(link, identity, kind)
  return setmetatable({
    link = link,
    identity = identity,
    kind = kind,
    datum = 1,
    data = { 0, 0, 0, 0 },
  }, Packet)
end

local DeviceTaskDataRecord = {}
DeviceTaskDataRecord.__index = DeviceTaskDataRecord

function DeviceTaskDataRecord.new()
  return setmetatable({ pending = nil }, DeviceTaskDataRecord)
end

local HandlerTaskDataRecord = {}
HandlerTaskDataRecord.__index = HandlerTaskDataRecord

function HandlerTaskDataRecord.new()
  return setmetatable({ work_in = nil, device_in = nil }, HandlerTaskDataRecord)
end

function HandlerTaskDataRecord:device_in_add(packet)
  self.device_in = append(packet, self.device_in)
end

function HandlerTaskDataRecord:work_in_add(packet)
  self.work_in = append(packet, self.work_in)
end

local IdleTaskDataRecord = {}
IdleTaskDataRecord.__index = IdleTaskDataRecord

function IdleTaskDataRecord.new()
  return setmetatable({ control = 1, count = 10000 }, IdleTaskDataRecord)
end

local WorkerTaskDataRecord = {}
WorkerTaskDataRecord.__index = WorkerTaskDataRecord

function WorkerTaskDataRecord.new()
  return setmetatable({ destination = HANDLER_A, count = 0 }, WorkerTaskDataRecord)
end

local TaskState = {}
TaskState.__index = TaskState

function TaskState.new()
  return setmetatable({
    task_holding = false,
    task_waiting = false,
    packet_pending = false,
  }, TaskState)
end

function TaskState:set_packet_pending()
  self.packet_pending = true
  self.task_waiting = false
  self.task_holding = false
  return self
end

function TaskState:set_running()
  self.packet_pending = false
  self.task_waiting = false
  self.task_holding = false
  return self
end

function TaskState:set_waiting()
  self.packet_pending = false
  self.task_holding = false
  self.task_waiting = true
  return self
end

function TaskState:set_waiting_with_packet()
  self.task_holding = false
  self.task_waiting = true
  self.packet_pending = true
  return self
end

function TaskState:is_task_holding_or_waiting()
  return self.task_holding or (not self.packet_pending and self.task_waiting)
end

function TaskState:is_waiting_with_packet()
  return self.packet_pending and self.task_waiting and not self.task_holding
end

local TaskControlBlock = {}
for name, method in pairs(TaskState) do
  TaskControlBlock[name] = method
end
TaskControlBlock.__index = TaskControlBlock

function TaskControlBlock.new(link, identity, priority, input, state, handle, action)
  return setmetatable({
    link = link,
    identity = identity,
    priority = priority,
    input = input,
    packet_pending = state.packet_pending,
    task_waiting = state.task_waiting,
    task_holding = state.task_holding,
    handle = handle,
    action = action,
  }, TaskControlBlock)
end

function TaskControlBlock:add_input_and_check_priority(packet, old_task)
  if not self.input then
    self.input = packet
    self.packet_pending = true
    if self.priority > old_task.priority then
      return self
    end
  else
    self.input = append(packet, self.input)
  end
  return old_task
end

function TaskControlBlock:run_task()
  local message
  if self:is_waiting_with_packet() then
    message = self.input
    self.input = message.link
    if self.input then
      self:set_packet_pending()
    else
      self:set_running()
    end
  end
  return self.action(message, self.handle)
end

local Scheduler = {}
Scheduler.__index = Scheduler

function Scheduler.new()
  return setmetatable({
    task_list = nil,
    current_task = nil,
    current_task_identity = 0,
    task_table = { nil, nil, nil, nil, nil, nil },
    queue_count = 0,
    hold_count = 0,
  }, Scheduler)
end

function Scheduler:create_task(identity, priority, work, state, data, action)
  local task = TaskControlBlock.new(self.task_list, identity, priority, work, state, data, action)
  self.task_list = task
  self.task_table[identity] = task
end

function Scheduler:create_device(identity, priority, work, state)
  self:create_task(identity, priority, work, state, DeviceTaskDataRecord.new(),
    function(packet, data)
      if packet then
        data.pending = packet
        return self:hold_self()
      end
      local pending = data.pending
      if not pending then
        return self:wait()
      end
      data.pending = nil
      return self:queue_packet(pending)
    end)
end

function Scheduler:create_handler(identity, priority, work, state)
  self:create_task(identity, priority, work, state, HandlerTaskDataRecord.new(),
    function(packet, data)
      if packet then
        if packet.kind == WORK_PACKET_KIND then
          data:work_in_add(packet)
        else
          data:device_in_add(packet)
        end
      end
      local work_packet = data.work_in
      if not work_packet then
        return self:wait()
      end
      local count = work_packet.datum
      if count > DATA_SIZE then
        data.work_in = work_packet.link
        return self:queue_packet(work_packet)
      end
      local device_packet = data.device_in
      if not device_packet then
        return self:wait()
      end
      data.device_in = device_packet.link
      device_packet.datum = work_packet.data[count]
      work_packet.datum = count + 1
      return self:queue_packet(device_packet)
    end)
end

function Scheduler:create_idler(identity, priority, work, state)
  self:create_task(identity, priority, work, state, IdleTaskDataRecord.new(),
    function(_, data)
      data.count = data.count - 1
      if data.count == 0 then
        return self:hold_self()
      end
      if data.control % 2 == 0 then
        data.control = data.control / 2
        return self:release(DEVICE_A)
      end
      data.control = bxor((data.control - 1) / 2, 53256)
      return self:release(DEVICE_B)
    end)
end

function Scheduler:create_worker(identity, priority, work, state)
  self:create_task(identity, priority, work, state, WorkerTaskDataRecord.new(),
    function(packet, data)
      if not packet then
        return self:wait()
      end
      data.destination = data.destination == HANDLER_A and HANDLER_B or HANDLER_A
      packet.identity = data.destination
      packet.datum = 1
      for i = 1, DATA_SIZE do
        data.count = data.count + 1
        if data.count > 26 then
          data.count = 1
        end
        packet.data[i] = 65 + data.count - 1
      end
      return self:queue_packet(packet)
    end)
end

function Scheduler:find_task(identity)
  local task = self.task_table[identity]
  if not task then
    error("richards: no such task")
  end
  return task
end

function Scheduler:hold_self()
  self.hold_count = self.hold_count + 1
  local current_task = self.current_task
  current_task.task_holding = true
  return current_task.link
end

function Scheduler:queue_packet(packet)
  local task = self:find_task(packet.identity)
  self.queue_count = self.queue_count + 1
  packet.link = nil
  packet.identity = self.current_task_identity
  return task:add_input_and_check_priority(packet, self.current_task)
end

function Scheduler:release(identity)
  local task = self:find_task(identity)
  task.task_holding = false
  if task.priority > self.current_task.priority then
    return task
  end
  return self.current_task
end

function Scheduler:wait()
  local current_task = self.current_task
  current_task.task_waiting = true
  return current_task
end

function Scheduler:schedule()
  self.current_task = self.task_list
  while self.current_task do
    if self.current_task:is_task_holding_or_waiting() then
      self.current_task = self.current_task.link
    else
      self.current_task_identity = self.current_task.identity
      self.current_task = self.current_task:run_task()
    end
  end
end

function Scheduler:start()
  self:create_idler(IDLER, 0, nil, TaskState.new():set_running())

  local queue = Packet.new(nil, WORKER, WORK_PACKET_KIND)
  queue = Packet.new(queue, WORKER, WORK_PACKET_KIND)
  self:create_worker(WORKER, 1000, queue, TaskState.new():set_waiting_with_packet())

  queue = Packet.new(nil, DEVICE_A, DEVICE_PACKET_KIND)
  queue = Packet.new(queue, DEVICE_A, DEVICE_PACKET_KIND)
  queue = Packet.new(queue, DEVICE_A, DEVICE_PACKET_KIND)
  self:create_handler(HANDLER_A, 2000, queue, TaskState.new():set_waiting_with_packet())

  queue = Packet.new(nil, DEVICE_B, DEVICE_PACKET_KIND)
  queue = Packet.new(queue, DEVICE_B, DEVICE_PACKET_KIND)
  queue = Packet.new(queue, DEVICE_B, DEVICE_PACKET_KIND)
  self:create_handler(HANDLER_B, 3000, queue, TaskState.new():set_waiting_with_packet())

  self:create_device(DEVICE_A, 4000, nil, TaskState.new():set_waiting())
  self:create_device(DEVICE_B, 5000, nil, TaskState.new():set_waiting())

  self:schedule()
end

local scheduler
for _ = 1, n do
  scheduler = Scheduler.new()
  scheduler:start()
  assert(scheduler.queue_count == 23246 and scheduler.hold_count == 9297, "richards: wrong result")
end
print("richards " .. scheduler.queue_count .. " " .. scheduler.hold_count)
